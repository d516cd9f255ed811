"""Batches that are read straight into columns are what the reader of records would have given; the rest is left to it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from prediction_api.model.artifact import Schema
from prediction_api.model.column_batch import from_records
from prediction_api.model.json_columns import JsonColumnReader, NotPlain
from prediction_api.model.record_reader import RecordReader
from serving.conftest import COLUMNS, RECORD

VALUES = [
    *("null", "true", "[]", "{}", "NaN", '""', '"AA"', '"summer"', '"autumn"', '"1"', '"01"', '"1.0"', '"NA"', '"\\u0000"'),
    *('"\\ud800"', '"\\ud83d\\ude00"', '"\u00e9"', f'"{"x" * 500}"', f'"{"x" * 501}"', '"null"'),
    *(
        "1",
        "10",
        "9.99",
        "-0",
        "-0.0",
        "1e2",
        "1e400",
        "-1e400",
        "1e-400",
        "0.1",
        "6000",
        "6000.0001",
        "-999",
        "9007199254740993",
    ),
    *("3.4028235e38", "3.5e38", "123456789012345678901234567890", "01", "1.", ".5", "+1", "0x1"),
    *('"2013-05-19T14:15:00"', '"2013-05-19T14:15:00.5"', '"2013-05-19T14:15"', '"2013-05-19"', '"2013-05-19 14:15:00"'),
    *(
        '"2013-05-19T14:15:00Z"',
        '"2013-05-19T14:15:00+02:00"',
        '" 2013-05-19T14:15:00"',
        '"2013-02-30T14:15:00"',
        '"2013-05-19T24:00:00"',
    ),
    *(
        '"0000-01-01T00:00:00"',
        '"0001-01-01T00:00:00Z"',
        '"9999-12-31T23:59:60"',
        '"\u0662013-05-19T14:15:00"',
        '"20130519T141500"',
    ),
]
BODIES = [
    *(
        '{"records": []}',
        '{"records": null}',
        "[]",
        "null",
        "",
        "{",
        '{"record": [%s]}',
        '{"records": [%s], "subjects": null}',
    ),
    *('{"records": [%s], "subjects": [null]}', '{"records": [%s]} x', '\ufeff{"records": [%s]}', ' {"records" : [ %s ] }\n'),
    *('{"records": [%s, %s, %s]}', '{"records": [%s, %s, %s, %s]}', '{"records": [%s], "records": [%s, %s]}'),
    *('{"records": [[%s]]}', '{"records": [%s,]}', '{"records": {"0": %s}}'),
]
ZONED = [{**column, "time_zone": "UTC"} if column["kind"] == "datetime" else column for column in COLUMNS]
SPELLED = [
    {**column, "seen": {"categories": ["1", "true"]}} if column["name"] == "carrier" else column for column in COLUMNS
]


TABLES = {"plain": {}, "zoned": {}, "spelled": {}, "with markers": {"table_format": {"missing": ["NA", "", "-999", "10"]}}}
Readers = tuple[JsonColumnReader, RecordReader, Schema]


@pytest.fixture(scope="module", params=TABLES)
def readers(request) -> Readers:
    """The reader of columns, that of records, and their schema."""
    columns = {"zoned": ZONED, "spelled": SPELLED}.get(request.param, COLUMNS)
    content = {"name": "tiny", "target": {"name": "late"}, "columns": columns, **TABLES[request.param]}
    schema = TypeAdapter(Schema).validate_json(json.dumps(content))
    return JsonColumnReader(schema, 3), RecordReader(schema, 3), schema


def check(body: bytes, readers: Readers) -> bool:
    """Whether a body is read straight into columns; fails where these are not what its records give."""
    columns, records, schema = readers
    try:
        batch = columns.batch(body)
    except NotPlain:
        return False
    expected = from_records(schema.columns, records.batch(body).records)
    assert (batch.rows, batch.number_names) == (expected.rows, expected.number_names)
    assert batch.matrix.tobytes() == expected.matrix.tobytes()
    assert {name: texts.tolist() for name, texts in batch.categories.items()} == {
        name: texts.tolist() for name, texts in expected.categories.items()
    }
    for name, moments in expected.datetimes.items():
        assert batch.datetimes[name].texts.tolist() == moments.texts.tolist()
        assert np.array_equal(batch.datetimes[name].seconds, moments.seconds, equal_nan=True)
    return True


def record(**changed: str) -> str:
    """A record as text, with texts of JSON in place of some values."""
    fields = (f'"{name}": {changed.get(name, json.dumps(value))}' for name, value in RECORD.items())
    return f"{{{', '.join(fields)}}}"


def batch_of(*records: str) -> bytes:
    """A batch of texts of records."""
    return f'{{"records": [{", ".join(records)}]}}'.encode()


def test_plain_bodies_are_read_straight(readers):
    zone = "Z" if readers[2].columns[0].time_zone else ""
    departs = [f'"2013-0{month}-01T00:00:00{zone}"' for month in (1, 2, 1)]
    records = [record(departs=moment, carrier="null", delay="-3") for moment in departs]

    assert check(batch_of(*records), readers)


def test_no_value_is_read_otherwise_than_by_the_reader_of_records(readers):
    read = {
        (name, value): check(batch_of(record(), record(**{name: value})), readers) for name in RECORD for value in VALUES
    }

    assert not any(read[name, value] for name in RECORD for value in ("true", "[]", "NaN", "01", "1e400"))
    assert readers[2].columns[0].time_zone or (read["distance", "1e2"] and read["carrier", '"AA"'])


def test_no_body_is_read_otherwise_than_by_the_reader_of_records(readers):
    zone = "Z" if readers[2].columns[0].time_zone else ""
    whole = record(departs=f'"2013-05-19T14:15:00{zone}"')
    of_records = [
        whole,
        whole.replace("distance", "distanse"),
        whole[:-1] + ', "more": 1}',
        whole.replace(', "delay": 2.5', ""),
    ]
    twice = whole[:-1] + ', "distance": 900, "carrier": "AA"}'

    for body in BODIES:
        for text in (*of_records, twice):
            check((body.replace("%s", text)).encode("utf-8", "surrogatepass"), readers)


@pytest.mark.parametrize(("names", "read"), [(("class", "a b", "\u00e9"), True), (("a", "b", 'c"'), False)])
def test_columns_may_have_any_name_and_need_not_be_of_every_kind(names, read):
    for kind in ("number", "category"):
        columns = [{**COLUMNS[4], "name": name, "kind": kind, "seen": {}} for name in names]
        content = {"name": "tiny", "target": {"name": "late"}, "columns": columns}
        schema = TypeAdapter(Schema).validate_json(json.dumps(content))
        values = dict(zip(names, ("x", None, "y") if kind == "category" else (1, None, 3), strict=True))

        body = json.dumps({"records": [values, values]}).encode()

        assert check(body, (JsonColumnReader(schema), RecordReader(schema), schema)) == read
        if read:
            alone = replace(schema, columns=schema.columns[:1])
            body = json.dumps({"records": [{names[0]: values[names[0]]}]}).encode()
            assert check(body, (JsonColumnReader(alone), RecordReader(alone), alone))
