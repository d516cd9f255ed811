"""A batch that is packed becomes the very lines that its predictions would have, one by one."""

import json
import random
from datetime import datetime

import numpy as np
import pytest
from pydantic_core import to_json

from prediction_api.column_predictions import ColumnPredictions, consecutive_ids, new_ids
from prediction_api.model import artifact
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.outbox.log_lines import is_packed, packed_content, packed_line, prediction_count
from prediction_api.outbox.packed_batch import pack, time_of, unpack_all
from serving.conftest import COLUMNS, RECORD

BESIDE = {"time": "2013-10-01T12:00:00+00:00", "model_name": "tiny", "caller": "100%"}
ODD = {"carrier": '\x1b\n"Ž%s', "season": None, "delay": 0.1, "departs": "2014-01-01T00:00:00.750001"}


def predicted(model, records):
    """Records as they were read, their predictions, and their columns."""
    read = model.records.batch(json.dumps({"records": records}).encode()).records
    batch = model.to_columns(read)
    inputs = model.column_inputs(batch)
    probabilities, warnings = model.probabilities(inputs), model.column_warnings(batch, inputs)
    ids = new_ids(len(records))
    return read, ColumnPredictions([*ids], probabilities, model.threshold, model.version, warnings), batch


def packed(model, records):
    """The lines of a packed batch, and those of its predictions one by one."""
    read, predictions, batch = predicted(model, records)
    answers = predictions.answers()
    lines = [to_json({**answer, **BESIDE, "features": record}) for answer, record in zip(answers, read, strict=True)]
    return pack(predictions, BESIDE, batch, list(model.records.columns)), lines


@pytest.fixture
def model(make_model):
    return OnnxModel(artifact.read(make_model()), 3000)


@pytest.fixture
def records():
    changes = [ODD, {"delay": None, "carrier": None}, {}, {"distance": 6000.0, "carrier": "", "delay": -1e-40}]
    return [{**RECORD, **changes[number % 4], "distance": 100.0 + number % 1000} for number in range(2500)]


def test_the_lines_are_those_of_the_predictions_one_by_one(model, records):
    contents, lines = packed(model, records)

    assert unpack_all(contents) == lines
    assert [prediction_count(content) for content in contents] == [1000, 1000, 500]
    assert not any(b"\n" in content for content in contents)
    assert sum(map(len, contents)) < sum(map(len, lines)) / 3


def test_datetimes_with_an_offset_come_back_in_utc(make_model):
    columns = [{**column, "time_zone": "UTC"} if column["name"] == "departs" else column for column in COLUMNS]
    records = [{**RECORD, "departs": f"2013-05-19T14:15:00{end}"} for end in ("Z", "+02:00", ".5-04:00")]

    contents, lines = packed(OnnxModel(artifact.read(make_model(columns=columns))), records)

    assert unpack_all(contents) == lines


def test_numbers_of_any_precision_come_back_to_the_last_bit(model):
    numbers = [0.1, 1 / 3, 1e300 / 1e270, 5e-324, -0.0, 16777217.0, 3.4e38]

    contents, lines = packed(model, [{**RECORD, "delay": number} for number in numbers])

    assert unpack_all(contents) == lines
    assert [json.loads(line)["features"]["delay"] for line in unpack_all(contents)] == numbers


def test_lines_that_are_packed_stand_among_others_in_their_order(model, records):
    contents, lines = packed(model, records[:40])

    assert unpack_all([lines[0], *contents, lines[1]]) == [lines[0], *lines, lines[1]]
    assert time_of(contents[0]) == time_of(lines[0]) == BESIDE["time"]
    assert [is_packed(line) for line in (contents[0], lines[0])] == [True, False]


def test_warnings_are_those_of_records_one_by_one(model, records):
    read, predictions, _ = predicted(model, records[:200])

    one_by_one = [model.warnings(model.inputs([record])).get(0, []) for record in read]

    assert [answer["warnings"] for answer in predictions.answers()] == one_by_one
    assert sum(predictions.warnings.counts().values()) == sum(map(len, one_by_one))


@pytest.mark.parametrize("seed", range(3))
def test_bytes_of_any_value_are_packed_without_a_line_break(seed):
    chance = random.Random(seed)
    for _ in range(200):
        content = bytes(chance.choice(b"\x1b\n en#") for _ in range(chance.randrange(30)))
        line = packed_line(7, content)
        assert (packed_content(line), prediction_count(line), b"\n" in line) == (content, 7, False)


@pytest.mark.parametrize("line", [b"#", b"#x 1", b"#-5 ", b"#99999999 ", b"{}", b"# 7"])
def test_a_line_without_a_legible_count_counts_as_one(line):
    assert prediction_count(line) == 1


def test_ids_follow_each_other_and_later_ones_are_greater():
    batches = [new_ids(count) for count in (1, 1000, 3, 70_000, 1)]
    every = [one for batch in batches for one in batch]

    assert every == sorted(set(every))
    assert all(batch == consecutive_ids(batch[0], len(batch)) for batch in batches)
    assert consecutive_ids(batches[3][513], 600) == batches[3][513:1113]
    assert {one[14] for one in every} == {"7"}


def test_a_batch_with_a_moment_of_each_kind_keeps_its_fractions(model):
    moments = ["1900-01-01T00:00:59.999999", "2013-05-19T14:15:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59.000001"]
    _, _, batch = predicted(model, [{**RECORD, "departs": moment} for moment in moments])

    assert batch.datetimes["departs"].texts.tolist() == moments
    assert batch.datetimes["departs"].seconds.dtype == np.float64
    assert datetime.fromisoformat(batch.datetimes["departs"].texts[0]).microsecond == 999_999
