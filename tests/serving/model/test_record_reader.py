"""A record is read as the schema says, or refused with where, what was wanted and what was got."""

import json
import time
from datetime import datetime

import pytest
from pydantic import TypeAdapter

from prediction_api.model import artifact
from prediction_api.model.record_reader import InvalidJson, InvalidRecords, RecordReader
from service_kit.problems import FieldError

DISTANCE = "a number of miles from 10 to 6000"
DATETIME = "a date and time such as 2013-05-19T14:15:00, without a time zone"
CARRIER = "a text of 1 to 500 characters, or null"
SEASON = "one of summer, winter, or null"
DELAY = "a number of minutes, or null"


@pytest.fixture
def make_records(make_model):
    """A function from columns to what reads their records; at most three in a batch."""
    return lambda columns=None: RecordReader(
        artifact.read(make_model(**({"columns": columns} if columns else {}))).schema, most=3
    )


@pytest.fixture
def records(make_records):
    return make_records()


@pytest.fixture
def text(record):
    """A function that gives the record as JSON, one of its values replaced by other JSON text."""

    def make(field=None, value=""):
        values = {name: json.dumps(one) for name, one in record.items()} | ({field: value} if field else {})
        inside = ",".join(f'"{name}":{one}' for name, one in values.items())
        return f"{{{inside}}}".encode()

    return make


@pytest.fixture
def faults(records):
    """A function that gives the faults for which a body is refused."""

    def find(body, read="one"):
        with pytest.raises(InvalidRecords) as found:
            getattr(records, read)(body)
        return found.value.field_errors

    return find


def test_a_record_is_read_with_its_datetime_parsed(records, record):
    assert records.one(json.dumps(record).encode()) == {**record, "departs": datetime(2013, 5, 19, 14, 15)}


def test_a_batch_is_read_in_its_order(records, text):
    body = b'{"records": [%s, %s]}' % (text("distance", "10"), text("distance", "20"))

    assert [one["distance"] for one in records.batch(body).records] == [10, 20]


def test_lines_are_read_in_their_order_whatever_ends_them(records, text):
    body = b"%s\r\n%s\n%s" % (text("distance", "10"), text("distance", "20"), text("distance", "30"))

    assert [one["distance"] for one in records.lines(body)] == [10, 20, 30]


def test_empty_lines_are_passed_over(records, text):
    assert len(records.lines(b"\n \n%s\n\n%s\n\n" % (text(), text()))) == 2


def test_a_missing_field_is_refused_by_name(faults, record):
    del record["distance"]

    assert faults(json.dumps(record).encode()) == [FieldError("distance", DISTANCE, "nothing")]


def test_a_nullable_field_must_be_given_where_it_is_required(faults, record):
    del record["delay"]

    assert faults(json.dumps(record).encode()) == [FieldError("delay", DELAY, "nothing")]


def test_an_optional_field_may_be_left_out(records, record):
    del record["season"]

    assert "season" not in records.one(json.dumps(record).encode())


@pytest.mark.parametrize("field", ["carrier", "season", "delay"])
def test_a_nullable_field_takes_null(records, text, field):
    assert records.one(text(field, "null"))[field] is None


@pytest.mark.parametrize(("field", "wanted"), [("distance", DISTANCE), ("departs", DATETIME)])
def test_another_field_does_not_take_null(faults, text, field, wanted):
    assert faults(text(field, "null")) == [FieldError(field, wanted, "null")]


def test_an_unknown_field_is_refused_by_name_with_the_nearest_known_one(faults, text):
    assert faults(text("distanse", "3")) == [
        FieldError("distanse", "a field of the schema, such as distance", "an unknown field, distanse")
    ]


def test_an_unknown_field_like_no_other_is_refused_by_name(faults, text):
    assert faults(text("zzz", "3")) == [FieldError("zzz", "a field of the schema", "an unknown field, zzz")]


@pytest.mark.parametrize(
    ("name", "proposal"), [("dist", ", such as distance"), ("departs_at", ", such as departs"), ("dest", "")]
)
def test_a_longer_or_a_shorter_name_is_proposed_before_one_of_like_letters(faults, text, name, proposal):
    assert faults(text(name, "3"))[0].wanted == f"a field of the schema{proposal}"


def test_an_unknown_field_named_records_is_not_proposed_as_a_field(faults, text):
    assert faults(text("records", "[]")) == [FieldError("records", "a field of the schema", "an unknown field, records")]


def test_a_misspelt_records_of_a_batch_is_refused_with_the_right_name(faults, text):
    assert faults(b'{"recrods": [%s]}' % text(), "batch") == [
        FieldError("records", "an array of 1 to 3 records", "nothing"),
        FieldError("recrods", "a field of the schema, such as records", "an unknown field, recrods"),
    ]


def test_a_record_in_place_of_a_batch_is_not_told_to_use_the_names_that_it_uses(faults, text):
    assert not [fault for fault in faults(text(), "batch") if "such as departs" in fault.wanted]


def test_the_name_of_an_unknown_field_is_shown_cut_short(faults, text):
    (fault,) = faults(text("x" * 100_000, "3"))
    shown = len(fault.field) + len(fault.got)

    assert shown < 200


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("-Infinity", "-inf"),
        ("1e999", "inf"),
        ("-1e999", "-inf"),
        ("1e39", "1e+39"),
        ("1" + "0" * 40, "1" + "0" * 40),
        ("1" + "0" * 4000, "1" + "0" * 59 + "..."),
        ('"3"', "'3'"),
        ("true", "true"),
        ("false", "false"),
        ("[3]", "a JSON array"),
        ("{}", "a JSON object"),
    ],
)
def test_what_is_no_finite_number_of_single_precision_is_refused(faults, text, value, got):
    assert faults(text("delay", value)) == [FieldError("delay", DELAY, got)]


def test_an_integer_of_more_digits_than_python_reads_is_no_json(records, text):
    with pytest.raises(InvalidJson, match="number out of range at line 1 column"):
        records.one(text("delay", "1" * 100_000))


@pytest.mark.parametrize("value", ["3.4028235e38", "-3.4028235e38", "0", "-0.0", "1e-999"])
def test_every_number_of_single_precision_is_taken_where_the_schema_sets_no_range(records, text, value):
    assert records.one(text("delay", value))["delay"] == float(value)


@pytest.mark.parametrize("value", ["10", "6000", "6e3"])
def test_the_ends_of_a_range_are_inside_it(records, text, value):
    assert records.one(text("distance", value))["distance"] == float(value)


@pytest.mark.parametrize("value", ["9.999", "6000.001", "-10"])
def test_a_number_outside_its_range_is_refused_with_the_range(faults, text, value):
    assert faults(text("distance", value)) == [FieldError("distance", DISTANCE, value)]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, None, "a number of at least 0"),
        (None, 7.5, "a number of at most 7.5"),
        (0.0, 1.0, "a number from 0 to 1"),
        (None, None, "a number"),
    ],
)
def test_what_is_wanted_of_a_number_names_the_bounds_that_it_has(make_records, low, high, wanted):
    column = {"name": "size", "kind": "number", "required": True, "nullable": False, "minimum": low, "maximum": high}

    with pytest.raises(InvalidRecords) as found:
        make_records([column]).one(b'{"size": "big"}')

    assert found.value.field_errors == [FieldError("size", wanted, "'big'")]


def test_a_share_has_no_unit_in_words(make_records):
    column = {"name": "part", "kind": "number", "required": True, "nullable": False, "unit": "share", "maximum": 1.0}

    with pytest.raises(InvalidRecords) as found:
        make_records([column]).one(b'{"part": 2}')

    assert found.value.field_errors == [FieldError("part", "a number of at most 1", "2")]


@pytest.mark.parametrize(
    "value",
    [
        '"2013-05-19T14:15:00Z"',
        '"2013-05-19T14:15:00+00:00"',
        '"2013-05-19T14:15:00-04:00"',
        "1368972900",
        "1368972900.5",
        "true",
        '"1368972900"',
        '"14:15"',
        '"2013-02-29T14:15:00"',
        '"2013-05-19T24:00:00"',
        '"tomorrow"',
        '""',
    ],
)
def test_what_is_no_datetime_without_a_zone_is_refused(faults, text, value):
    (fault,) = faults(text("departs", value))

    assert (fault.field, fault.wanted) == ("departs", DATETIME)
    assert fault.got == (value.replace('"', "'"))


@pytest.mark.parametrize("value", ["2013-05-19T14:15:00", "2013-05-19 14:15", "2013-05-19T14:15:00.000"])
def test_a_datetime_may_be_written_as_iso_8601_allows(records, text, value):
    assert records.one(text("departs", f'"{value}"'))["departs"] == datetime(2013, 5, 19, 14, 15)


def test_a_date_is_its_midnight(records, text):
    assert records.one(text("departs", '"2013-05-19"'))["departs"] == datetime(2013, 5, 19)


@pytest.mark.parametrize(("value", "got"), [("3", "3"), ("true", "true"), ("[]", "a JSON array"), ("NaN", "nan")])
def test_what_is_no_text_is_refused_as_a_category(faults, text, value, got):
    assert faults(text("carrier", value)) == [FieldError("carrier", CARRIER, got)]


def test_a_category_that_training_did_not_see_is_accepted_where_none_are_declared(records, text):
    assert records.one(text("carrier", '"ZZ"'))["carrier"] == "ZZ"


@pytest.mark.parametrize("value", ['"autumn"', '"Summer"', '""', "1"])
def test_a_category_that_is_not_declared_is_refused_with_those_that_are(faults, text, value):
    assert faults(text("season", value)) == [FieldError("season", SEASON, value.replace('"', "'"))]


def test_the_empty_text_is_a_missing_category_where_null_is_allowed(records, text):
    assert records.one(text("carrier", '""'))["carrier"] == ""


def test_the_empty_text_is_refused_where_null_is_not_allowed(make_records):
    column = {"name": "colour", "kind": "category", "required": True, "nullable": False}

    with pytest.raises(InvalidRecords) as found:
        make_records([column]).one(b'{"colour": ""}')

    assert found.value.field_errors == [FieldError("colour", "a text of 1 to 500 characters", "''")]


def test_a_text_of_500_characters_is_taken_and_of_501_refused_cut_short(records, faults, text):
    assert records.one(text("carrier", '"%s"' % ("é" * 500)))["carrier"] == "é" * 500
    assert faults(text("carrier", '"%s"' % ("é" * 501))) == [FieldError("carrier", CARRIER, "'" + "é" * 59 + "...")]


def test_an_escaped_pair_of_surrogates_is_one_character(records, text):
    assert records.one(text("carrier", r'"\ud83d\ude00"'))["carrier"] == "😀"


@pytest.mark.parametrize("value", [r'"\ud800"', r'"\udc00"', r'"\ud800x"', r'"\ude00\ud83d"'])
def test_a_lone_surrogate_is_no_json(records, text, value):
    with pytest.raises(InvalidJson, match=r"hex escape at line 1 column"):
        records.one(text("carrier", value))


def test_a_text_with_a_nul_which_postgresql_cannot_hold_is_refused(faults, text):
    (fault,) = faults(text("carrier", r'"U\u0000A"'))

    assert fault.field == "carrier"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"distance":' * 100_000,
        b'{"zzz":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    ],
)
def test_deep_json_is_refused_as_no_json(records, body):
    with pytest.raises(InvalidJson, match="recursion limit exceeded at line 1 column"):
        records.one(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b"distance=3", "expected value at line 1 column 1"),
        (b'{"distance": 3', "EOF while parsing an object at line 1 column 14"),
        (b'{"distance": 3,}', "trailing comma"),
        (b"{'distance': 3}", "key must be a string"),
        (b"{} {}", "trailing characters"),
        (b'{"distance": 03}', "invalid number"),
        (b"\x00", "expected value"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(records, body, words):
    with pytest.raises(InvalidJson, match=words):
        records.one(body)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp500"])
def test_another_encoding_than_utf8_is_no_json(records, text, encoding):
    with pytest.raises(InvalidJson, match="at line 1 column"):
        records.one(text().decode().encode(encoding))


def test_a_text_in_latin_1_is_no_json(records, text):
    with pytest.raises(InvalidJson, match="invalid unicode code point at line 1 column"):
        records.one(text("carrier", '"é"').decode().encode("latin-1"))


@pytest.mark.parametrize(
    ("body", "got"), [(b"[]", "a JSON array"), (b"null", "null"), (b"3", "3"), (b'"x"', "'x'"), (b"true", "true")]
)
@pytest.mark.parametrize("read", ["one", "batch"])
def test_a_body_that_is_no_object_is_refused(faults, read, body, got):
    assert faults(body, read) == [FieldError("the body", "a JSON object", got)]


@pytest.mark.parametrize(
    ("value", "got"), [(b"[]", "0 of them"), (b"null", "null"), (b"{}", "a JSON object"), (b"3", "3"), (b'"x"', "'x'")]
)
def test_records_that_are_no_array_of_the_right_size_are_refused(faults, value, got):
    assert faults(b'{"records": %s}' % value, "batch") == [FieldError("records", "an array of 1 to 3 records", got)]


def test_a_batch_of_more_than_may_be_is_refused_with_its_size(records, faults, text):
    assert len(records.batch(b'{"records": [%s]}' % b",".join([text()] * 3)).records) == 3
    assert faults(b'{"records": [%s]}' % b",".join([text()] * 4), "batch") == [
        FieldError("records", "an array of 1 to 3 records", "4 of them")
    ]


def test_a_fault_in_a_batch_names_the_record(faults, text):
    body = b'{"records": [%s, %s, 3]}' % (text(), text("distance", "1"))

    assert faults(body, "batch") == [
        FieldError("records[1].distance", DISTANCE, "1"),
        FieldError("records[2]", "a JSON object", "3"),
    ]


def test_an_unknown_field_in_a_batch_names_the_record_and_the_nearest_field(faults, text):
    assert faults(b'{"records": [%s]}' % text("distanse", "1"), "batch") == [
        FieldError("records[0].distanse", "a field of the schema, such as distance", "an unknown field, distanse")
    ]


@pytest.mark.parametrize(("count", "got"), [(0, "0"), (4, "4")])
def test_lines_of_another_number_than_may_be_are_refused_with_their_number(faults, text, count, got):
    assert faults(b"\n".join([text()] * count), "lines") == [FieldError("the body", "1 to 3 lines", got)]


def test_a_fault_in_a_line_names_the_line_counting_empty_ones(faults, text):
    body = b"\n%s\n\n%s\n[]" % (text("distance", "1"), text("zzz", "1"))

    assert faults(body, "lines") == [
        FieldError("line 2: distance", DISTANCE, "1"),
        FieldError("line 4: zzz", "a field of the schema", "an unknown field, zzz"),
        FieldError("line 5: the body", "a JSON object", "a JSON array"),
    ]


def test_a_line_that_is_no_json_is_refused_with_its_number(records, text):
    with pytest.raises(InvalidJson, match="line 3: expected value at line 1 column 1"):
        records.lines(b"%s\n\nx" % text())


@pytest.mark.parametrize(
    ("read", "frame"), [("one", b"{%s}"), ("lines", b"{%s}"), ("batch", b'{"records": [{%s}]}'), ("batch", b"{%s}")]
)
def test_at_most_100_faults_are_told(faults, read, frame):
    unknown = b",".join(b'"x%d":1' % number for number in range(1000))

    assert len(faults(frame % unknown, read)) == 100


def test_a_line_of_many_unknown_fields_is_refused_as_soon_as_the_same_record(faults):
    unknown = b"{%s}" % b",".join(b'"x%d":1' % number for number in range(50_000))
    faults(unknown)

    start = time.process_time()
    faults(unknown)
    alone = time.process_time()
    faults(unknown, "lines")

    assert time.process_time() - alone < 2 * (alone - start)


def test_faults_of_several_lines_together_are_at_most_100(faults):
    unknown = b"{%s}" % b",".join(b'"x%d":1' % number for number in range(60))

    assert len(faults(b"\n".join([unknown, unknown]), "lines")) == 100


def test_the_error_counts_its_field_errors_and_names_the_first(records):
    with pytest.raises(InvalidRecords, match="4 errors, the first in departs"):
        records.one(b"{}")


def test_the_json_schema_of_a_record_is_closed_and_requires_what_the_schema_requires(records):
    schema = TypeAdapter(records.type).json_schema()

    assert schema["title"] == "Record"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["departs", "carrier", "distance", "delay"]
    assert list(schema["properties"]) == ["departs", "carrier", "season", "distance", "delay"]


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (
            "distance",
            {
                "title": "distance",
                "type": "number",
                "minimum": 10.0,
                "maximum": 6000.0,
                "description": "Way to go (miles).",
                "examples": [800.0],
                "x-unit": "miles",
                "x-available-from": "in the timetable",
            },
        ),
        (
            "departs",
            {
                "title": "departs",
                "type": "string",
                "format": "date-time-local",
                "description": "When it leaves.",
                "examples": ["2013-05-19T14:15:00"],
                "x-available-from": "in the timetable",
            },
        ),
        (
            "season",
            {
                "title": "season",
                "anyOf": [{"type": "string", "enum": ["summer", "winter"]}, {"type": "null"}],
                "description": "Season. Seen in training: summer, winter.",
                "examples": ["summer"],
                "x-available-from": "always",
            },
        ),
    ],
)
def test_the_json_schema_of_a_field_tells_its_type_range_unit_and_example(records, field, told):
    assert TypeAdapter(records.type).json_schema()["properties"][field] == told


def test_the_json_schema_of_a_text_tells_its_length_and_that_it_may_be_null(records):
    text, null = TypeAdapter(records.type).json_schema()["properties"]["carrier"]["anyOf"]

    assert (text["type"], text["minLength"], text["maxLength"]) == ("string", 0, 500)
    assert null == {"type": "null"}


def test_the_json_schema_of_a_batch_tells_how_many_records_it_takes(records):
    schema = TypeAdapter(records.batch_type).json_schema()

    assert schema["additionalProperties"] is False
    assert schema["required"] == ["records"]
    assert schema["properties"]["records"]["items"] == {"$ref": "#/$defs/Record"}
    assert (schema["properties"]["records"]["minItems"], schema["properties"]["records"]["maxItems"]) == (1, 3)


def test_more_than_20_seen_categories_are_cut_short_in_the_description(make_records):
    seen = {"categories": [f"c{number}" for number in range(21)]}
    column = {
        "name": "colour",
        "kind": "category",
        "required": True,
        "nullable": True,
        "description": "Colour",
        "seen": seen,
    }

    described = TypeAdapter(make_records([column]).type).json_schema()["properties"]["colour"]["description"]

    assert described == f"Colour. Seen in training: {', '.join(seen['categories'][:20])}..."
