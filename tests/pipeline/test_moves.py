"""Who was champion when, and to whom going back leads."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline import moves
from pipeline.moves import Move

START = datetime(2026, 1, 1, tzinfo=UTC)


def line(*versions):
    """A move an hour, to these versions; a negative one is a way back."""
    return [
        Move(START + timedelta(hours=hour), abs(version), "rolled back" if version < 0 else "won", "", "c", "me")
        for hour, version in enumerate(versions)
    ]


def test_a_reign_ends_where_the_next_begins():
    found = moves.reigns(list(reversed(line(1, 2))))

    assert [(one.move.version, one.until) for one in found] == [(1, START + timedelta(hours=1)), (2, None)]
    assert moves.reigns([]) == []


@pytest.mark.parametrize(("minutes", "version"), [(-1, None), (0, 1), (59, 1), (60, 2), (10_000, 2)])
def test_who_reigned_at_a_moment(minutes, version):
    found = moves.reign_at(line(1, 2), START + timedelta(minutes=minutes))

    assert (found and found.move.version) == version


@pytest.mark.parametrize(
    ("versions", "before"),
    [
        ((), None),
        ((1,), None),
        ((1, 2), 1),
        ((1, 2, 3), 2),
        ((1, 2, -1), None),
        ((1, 2, 3, -2), 1),
        ((1, 2, 3, -2, -1), None),
        ((1, 2, -1, 2), 1),
        ((1, 2, -1, 3), 1),
        ((1, 2, 2), 1),
        ((1, 2, 1), 2),
    ],
)
def test_each_way_back_undoes_one_move(versions, before):
    assert moves.predecessor(line(*versions), abs(versions[-1]) if versions else 1) == before


def test_after_other_hands_the_way_back_leads_to_what_was_moved_here():
    assert moves.predecessor(line(1, 2), champion=7) == 2
