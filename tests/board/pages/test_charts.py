"""Marks of charts are where their values are, and axes have round ticks around them."""

from datetime import date, timedelta

import pytest

from board.pages.quality import charts
from board.scoring.day_scores import EMPTY_TENTHS, Interval, Tenth

DAYS = [date(2013, 10, 1) + timedelta(days=number) for number in range(20)]


def test_a_tenth_is_at_its_probability_and_share_and_the_largest_has_the_largest_dot():
    tenths = (Tenth(100, 5.0, 10), *EMPTY_TENTHS[1:9], Tenth(25, 25.0, 25))

    low, high = charts.calibration(tenths).marks

    assert (low.x, low.y, low.radius) == (0.05 * charts.SIDE, 0.9 * charts.SIDE, charts.LARGEST_RADIUS)
    assert (high.x, high.y, high.radius) == (charts.SIDE, 0.0, charts.LARGEST_RADIUS / 2)
    assert low.high < low.y < low.low


def test_days_are_labelled_once_a_week_and_the_selected_one_is_marked():
    values = [[(0, Interval(0.14, 0.12, 0.163))]] * 20

    chart = charts.over_days(DAYS, values, DAYS[3])

    assert [tick.label for tick in chart.x_ticks] == ["1 Oct", "8 Oct", "15 Oct"]
    assert [tick.label for tick in chart.y_ticks] == ["0.12", "0.14", "0.16", "0.18"]
    assert (chart.y_ticks[0].place, chart.y_ticks[-1].place) == (charts.HEIGHT, 0.0)
    assert chart.selected == chart.marks[3].x


@pytest.mark.parametrize("values", [[[]], [[(0, Interval(0.5, 0.5, 0.5))]]])
def test_a_day_without_scores_or_without_width_has_an_axis(values):
    chart = charts.over_days(DAYS[:1], values, DAYS[5])

    assert len(chart.y_ticks) >= 2
    assert chart.selected is None


def test_each_version_is_a_series_of_its_own():
    values = [[(0, Interval(0.1, 0.1, 0.1)), (1, Interval(0.2, 0.2, 0.2))]]

    assert [mark.series for mark in charts.over_days(DAYS[:1], values, DAYS[0]).marks] == [0, 1]
