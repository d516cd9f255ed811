"""Which version was champion when: the changes of the alias `champion`, in the order of time."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator

Kind = Literal["initial", "promoted", "forced", "rolled back", "restored"]
OLD_KINDS = {"first": "initial", "won": "promoted", "told": "forced", "anew": "restored"}  # in histories from before


@dataclass(frozen=True)
class AliasChange:
    """The alias went to ``version`` at ``time`` (UTC), in one of five ways.

    Initial: there was no champion before. Promoted: it won the contest. Forced: a person gave a reason instead of a contest.
    Rolled back: it had been champion before. Restored: the alias had been removed.
    """

    time: datetime
    version: int
    kind: Annotated[Kind, BeforeValidator(lambda kind: OLD_KINDS.get(kind, kind))]
    why: str
    git_commit: str
    by: str
    before: int | None = None  # the version that had the alias


@dataclass(frozen=True)
class ChampionPeriod:
    """The time from one change of the alias to the next; ``until`` is None while the version is champion."""

    change: AliasChange
    until: datetime | None


def champion_periods(changes: Sequence[AliasChange]) -> list[ChampionPeriod]:
    """The period of each champion, in the order of time."""
    ordered = sorted(changes, key=lambda change: change.time)
    ends = [*(change.time for change in ordered[1:]), None]
    return [ChampionPeriod(change, end) for change, end in zip(ordered, ends, strict=False)]


def champion_at(changes: Sequence[AliasChange], moment: datetime) -> ChampionPeriod | None:
    """The champion's period that ``moment`` lies in; None before the first."""
    return next((period for period in reversed(champion_periods(changes)) if period.change.time <= moment), None)


def previous_champion(changes: Sequence[AliasChange], champion: int, existing: Container[int]) -> int | None:
    """The version to which a rollback from ``champion`` leads; None where there is none.

    Each rollback undoes one change, as a stack does. Versions that do not exist any more are skipped. Where the alias was
    changed outside `make promote` since, the last version that was promoted here is the previous one.
    """
    stack: list[int] = []
    for change in sorted(changes, key=lambda change: change.time):
        if change.kind == "rolled back":
            stack = stack[:-1]
        elif change.before is not None and stack[-1:] != [change.before]:
            stack.append(change.before)  # the alias had been changed outside `make promote`
        if not stack or stack[-1] != change.version:
            stack.append(change.version)
    return next((version for version in reversed(stack) if version in existing and version != champion), None)
