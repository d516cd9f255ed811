"""Events make the same table with any offset from UTC that their senders write."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from pipeline.config.settings import Column
from pipeline.data.event_log import Event, EventTable

COLUMNS = {
    "station": Column(kind="category", nullable=False),
    "hour": Column(kind="datetime", nullable=False),
    "humid": Column(kind="number"),
}
KNOWN_AT = datetime(2013, 11, 3, 12, tzinfo=UTC)


def observed(station, hour, humid):
    return Event(KNOWN_AT, "weather", {"station": station, "hour": hour}, {"humid": humid})


@pytest.mark.parametrize(
    "hours",
    [
        ("2013-11-02T12:00:00Z", "2013-11-02T13:00:00Z"),
        ("2013-11-02T08:00:00-04:00", "2013-11-02T13:00:00Z"),
        ("2013-11-02T08:00:00-04:00", "2013-11-02T08:00:00-05:00"),
        ("2013-11-02T08:00:00-04:00", "2013-11-02T09:00:00-04:00"),
        ("2013-11-02T12:00:00", "2013-11-02T13:00:00Z"),
    ],
)
def test_datetimes_of_any_offset_are_read_as_utc(hours):
    table = EventTable(COLUMNS, ("station", "hour"))
    table.apply(observed("EWR", hour, 50.0) for hour in hours)

    expected = pd.Series(pd.to_datetime(["2013-11-02T12:00:00Z", "2013-11-02T13:00:00Z"]).as_unit("s"))
    pd.testing.assert_series_equal(table.frame()["hour"], expected, check_names=False)


def test_a_moment_is_one_key_whatever_its_offset():
    table = EventTable(COLUMNS, ("station", "hour"))
    table.apply([observed("EWR", "2013-11-02T12:00:00Z", 50.0)])

    correction = observed("EWR", "2013-11-02T08:00-04:00", 60.0)
    assert table.revises(correction)
    table.apply([correction])

    assert table.frame()["humid"].tolist() == [60.0]
