"""Datetimes that are read all at once are those that a record's reader gives; what it would refuse is left to it."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from column_types.table_format import TableFormat
from prediction_api.model import moment_texts
from prediction_api.model.artifact import Column
from prediction_api.model.record_fields import value_reader
from serving.conftest import COLUMNS

FORM = TableFormat(missing=("", "1900-01-01T00:00:00"))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SIGNS = "0123456789-:TZ .+\u0661"


def column(zone=None, nullable=False):
    """The column of datetimes of the tiny model, with changes."""
    return TypeAdapter(Column).validate_json(json.dumps({**COLUMNS[0], "time_zone": zone, "nullable": nullable}))


def microseconds(moment):
    """A datetime as whole microseconds since 1970 on its own clock."""
    span = moment.replace(tzinfo=UTC) - EPOCH
    return (span.days * 86_400 + span.seconds) * 10**6 + span.microseconds


def texts_in_form(generator, count):
    """Texts, some of days and hours that do not exist, and some with one sign changed; and whether they keep the form."""
    for number in range(count):
        year, month, day = generator.integers((0, 0, 0), (10_000, 14, 33))
        hour, minute, second = generator.integers((0, 0, 0), (26, 62, 62))
        text = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        if number % 4:
            yield text, True
        else:
            place = generator.integers(0, len(text))
            yield text[:place] + SIGNS[generator.integers(0, len(SIGNS))] + text[place + 1 :], False


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_each_text_that_is_read_is_what_a_record_has(zone):
    read_value = value_reader(column(zone), FORM)
    count = 0
    for text, keeps_form in texts_in_form(np.random.default_rng(18), 4_000):
        written = f"{text}Z" if zone else text
        moments = moment_texts.read(column(zone), FORM, np.zeros(1, int), [written])
        if moments is not None:
            count += 1
            assert moments.microseconds.tolist() == [microseconds(read_value(written))]
            assert (moments.is_utc, moments.missing.tolist()) == (bool(zone), [False])
        elif keeps_form:
            with pytest.raises(ValidationError):
                read_value(written)
    assert count > 1_000


@pytest.mark.parametrize(
    "texts",
    [
        ["2013-05-19T14:15:0", "02013-05-19T14:15:00"],  # together as long as two in the form
        ["2013-05-19T14:15:00", "2013-05-19T14:15"],
        ["2013-05-19T14:15:00Z"],
        ["0000-05-19T14:15:00"],
        ["2013-02-29T14:15:00"],
        ["2013-05-19T14:15:60"],
        ["\u0662013-05-19T14:15:00"],
        [""],
    ],
    ids=str,
)
def test_texts_in_another_form_are_left(texts):
    assert moment_texts.read(column(), FORM, np.arange(len(texts)), texts) is None


def test_missing_ones_stay_missing_also_where_all_are():
    moments = moment_texts.read(column(), FORM, np.array([0, 1, 1]), [None, "2013-05-19T14:15:00"])

    assert (moments.missing.tolist(), moments.microseconds[1:].tolist()) == ([True, False, False], [1368972900 * 10**6] * 2)
    assert moment_texts.read(column(), FORM, np.zeros(3, int), [None]).missing.tolist() == [True] * 3


def test_a_marker_of_missing_values_is_left_where_it_counts():
    texts = ["1900-01-01T00:00:00", "2013-05-19T14:15:00"]

    assert moment_texts.read(column(nullable=True), FORM, np.arange(2), texts) is None
    assert moment_texts.read(column(), FORM, np.arange(2), texts).missing.tolist() == [False, False]
