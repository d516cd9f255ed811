"""Who was champion when, and to whom going back leads."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from pipeline.registry import champion_history
from pipeline.registry.champion_history import AliasChange
from pipeline.registry.mlflow_registry import CHANGE

START = datetime(2026, 1, 1, tzinfo=UTC)
ALL = range(9)


def line(*versions):
    """A change of the alias per hour, to these versions; a negative number is a rollback."""
    return [
        AliasChange(START + timedelta(hours=hour), abs(version), "rolled back" if version < 0 else "promoted", "", "c", "me")
        for hour, version in enumerate(versions)
    ]


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        ("first", "initial"),
        ("won", "promoted"),
        ("told", "forced"),
        ("anew", "restored"),
        ("rolled back", "rolled back"),
        ("forced", "forced"),
    ],
)
def test_a_history_with_the_older_words_is_read(stored, kind):
    value = {"time": "2026-01-01T00:00:00Z", "version": 1, "kind": stored, "why": "", "git_commit": "c", "by": "me"}

    assert CHANGE.validate_python(value).kind == kind


def test_a_kind_that_was_never_stored_is_refused():
    value = {"time": "2026-01-01T00:00:00Z", "version": 1, "kind": "crowned", "why": "", "git_commit": "c", "by": "me"}

    with pytest.raises(ValidationError, match="'initial', 'promoted', 'forced', 'rolled back' or 'restored'"):
        CHANGE.validate_python(value)


def test_a_reign_ends_where_the_next_begins():
    found = champion_history.champion_periods(list(reversed(line(1, 2))))

    assert [(one.change.version, one.until) for one in found] == [(1, START + timedelta(hours=1)), (2, None)]
    assert champion_history.champion_periods([]) == []


@pytest.mark.parametrize(("minutes", "version"), [(-1, None), (0, 1), (59, 1), (60, 2), (10_000, 2)])
def test_who_reigned_at_a_moment(minutes, version):
    found = champion_history.champion_at(line(1, 2), START + timedelta(minutes=minutes))

    assert (found and found.change.version) == version


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
def test_each_rollback_undoes_one_change(versions, before):
    assert champion_history.previous_champion(line(*versions), abs(versions[-1]) if versions else 1, ALL) == before


def test_a_change_that_was_not_recorded_is_undone_by_a_rollback():
    assert champion_history.previous_champion(line(1), 2, ALL) == 1  # killed between the alias and its note


def test_what_other_hands_had_made_champion_is_the_one_before():
    found = [*line(1, 2), AliasChange(START + timedelta(days=1), 8, "promoted", "", "c", "me", before=7)]

    assert champion_history.previous_champion(found, 8, ALL) == 7
    assert (
        champion_history.previous_champion(
            [*found, replace(found[-1], time=START + timedelta(days=2), version=7, kind="rolled back")], 7, ALL
        )
        == 2
    )


@pytest.mark.parametrize(
    ("versions", "deleted", "before"),
    [
        ((1, 2, 3), {2}, 1),
        ((1, 2, 3), {1, 2}, None),
        ((1, 2, 3, -2, 4), {2}, 1),  # and not 3, which was undone
        ((1, 2, 1), {2}, None),
    ],
)
def test_the_way_back_leads_past_versions_that_are_no_more(versions, deleted, before):
    champions = [None, *(abs(version) for version in versions)]
    made = [replace(change, before=last) for change, last in zip(line(*versions), champions, strict=False)]

    assert champion_history.previous_champion(made, abs(versions[-1]), set(range(9)) - deleted) == before


def test_after_an_outside_change_a_rollback_leads_to_the_last_version_promoted_here():
    assert champion_history.previous_champion(line(1, 2), 7, ALL) == 2
