"""The subjects of a batch are read beside its records, or refused by their place and field."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from prediction_api.model import artifact
from prediction_api.model.record_reader import InvalidRecords, RecordReader
from service_kit.problems import FieldError

AS_OF = "2013-10-01T08:15:00.250Z"
MOMENT = datetime(2013, 10, 1, 8, 15, 0, 250_000, UTC)
ID = UUID(int=int(MOMENT.timestamp() * 1000) << 80 | 7 << 76 | 1 << 63)
WANTED_ID = "a UUID of version 7 with the milliseconds of as_of"
SUBJECT = {"prediction_id": str(ID), "subject": '{"flight":1}', "as_of": AS_OF, "log_position": 7, "official": True}


@pytest.fixture
def records(make_model):
    return RecordReader(artifact.read(make_model()).schema, most=3)


@pytest.fixture
def body(record):
    """A function that gives a batch of two records beside these subjects."""
    return lambda *subjects: json.dumps({"records": [record, record], "subjects": subjects}).encode()


@pytest.fixture
def field_errors(records, body):
    """A function that gives the field errors for which subjects are refused."""

    def find(*subjects):
        with pytest.raises(InvalidRecords) as refused:
            records.batch(body(*subjects))
        return refused.value.field_errors

    return find


def changed(**values):
    return {**SUBJECT, **values}


def test_subjects_are_read_in_the_order_of_the_records(records, body):
    _, subjects = records.batch(body(None, SUBJECT))

    assert subjects == [None, {**SUBJECT, "prediction_id": ID, "as_of": MOMENT}]


def test_a_batch_without_subjects_has_none(records, record):
    assert records.batch(json.dumps({"records": [record]}).encode()).subjects == []


def test_an_offset_is_read_as_utc(records, body):
    moment = changed(as_of="2013-10-01T04:15:00.250-04:00")

    assert records.batch(body(moment, None)).subjects[0]["as_of"] == MOMENT


def test_only_an_official_prediction_needs_an_id(records, body, field_errors):
    for value in ({"prediction_id": None}, {}):
        subject = {name: SUBJECT[name] for name in ("subject", "as_of", "log_position")} | value
        assert records.batch(body({**subject, "official": False}, None)).subjects[0].get("prediction_id") is None
        assert field_errors(None, {**subject, "official": True}) == [
            FieldError("subjects[1].prediction_id", f"{WANTED_ID}, because the prediction is official", "null")
        ]


@pytest.mark.parametrize(
    "prediction_id",
    [
        UUID(int=ID.int + (1 << 80)),  # a millisecond later
        UUID(int=ID.int ^ 3 << 76),  # version 4
        UUID(int=ID.int ^ 1 << 63),  # of another variant
    ],
)
def test_an_id_of_another_moment_or_version_is_refused(field_errors, prediction_id):
    assert field_errors(None, changed(prediction_id=str(prediction_id))) == [
        FieldError("subjects[1].prediction_id", f"{WANTED_ID}, 2013-10-01T08:15:00.250000+00:00", str(prediction_id))
    ]


def test_two_subjects_with_one_id_are_refused(field_errors):
    assert field_errors(SUBJECT, changed(subject="another")) == [
        FieldError("subjects[1].prediction_id", "another id than that of subjects[0]", str(ID))
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_there_are_as_many_subjects_as_records(field_errors, count):
    assert field_errors(*[None] * count) == [
        FieldError("subjects", "an array of 2, one for each record", f"{count} of them")
    ]


@pytest.mark.parametrize(
    ("field", "value", "wanted", "got"),
    [
        ("prediction_id", "7", f"{WANTED_ID}, or null", "'7'"),
        ("subject", "", "a text of 1 to 1000 characters", "''"),
        ("subject", "a\0b", "a text of 1 to 1000 characters", r"'a\x00b'"),
        ("subject", 3, "a text of 1 to 1000 characters", "3"),
        ("as_of", "2013-10-01T08:15:00", "a date and time such as 2013-10-01T08:15:00Z, with an offset from UTC", None),
        ("as_of", 1380615300, "a date and time such as 2013-10-01T08:15:00Z, with an offset from UTC", "1380615300"),
        ("log_position", -1, "a whole number of at least 0", "-1"),
        ("log_position", 2**63, "a whole number of at least 0", "9223372036854775808"),
        ("log_position", 1.5, "a whole number of at least 0", "1.5"),
        ("official", 1, "true or false", "1"),
        ("official", None, "true or false", "null"),
    ],
)
def test_a_wrong_field_is_refused_by_place_and_name(field_errors, field, value, wanted, got):
    assert field_errors(None, changed(**{field: value})) == [FieldError(f"subjects[1].{field}", wanted, got or repr(value))]


def test_a_missing_and_an_unknown_field_are_refused_by_name(field_errors):
    subject = changed(moment=AS_OF)
    del subject["as_of"]

    assert field_errors(subject, None) == [
        FieldError("subjects[0].as_of", "a date and time such as 2013-10-01T08:15:00Z, with an offset from UTC", "nothing"),
        FieldError(
            "subjects[0].moment", "one of prediction_id, subject, as_of, log_position, official", "an unknown field, moment"
        ),
    ]


def test_what_is_no_subject_is_refused(field_errors, records, record):
    assert field_errors(None, 3) == [FieldError("subjects[1]", "a JSON object, or null", "3")]
    assert field_errors(*[None] * 4) == [
        FieldError("subjects", "an array with a JSON object or null for each record", "4 of them")
    ]
    with pytest.raises(InvalidRecords) as refused:
        records.batch(json.dumps({"records": [record], "subjects": {}}).encode())
    assert refused.value.field_errors == [
        FieldError("subjects", "an array with a JSON object or null for each record", "a JSON object")
    ]


def test_faults_of_records_and_of_subjects_are_shown_together(records, record):
    content = {"records": [record | {"distance": 1.0}], "subjects": [changed(official="yes")]}

    with pytest.raises(InvalidRecords) as refused:
        records.batch(json.dumps(content).encode())

    assert [error.field for error in refused.value.field_errors] == ["records[0].distance", "subjects[0].official"]


def test_as_many_subjects_as_a_batch_may_hold_are_read(make_model, record):
    records = RecordReader(artifact.read(make_model()).schema, most=1000)
    key = json.dumps(dict.fromkeys(("year", "month", "day", "carrier", "flight", "origin"), "a:b"))
    subjects = [changed(subject=key, prediction_id=str(UUID(int=ID.int + place))) for place in range(1000)]

    assert len(records.batch(json.dumps({"records": [record] * 1000, "subjects": subjects}).encode()).subjects) == 1000
