"""Who was champion when: the moves of the alias, one after the other."""

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
    """A move, and the moment of the next one: None while its version is champion."""

    move: AliasChange
    until: datetime | None


def champion_periods(moves: Sequence[AliasChange]) -> list[ChampionPeriod]:
    """The reigns, in the order of time."""
    ordered = sorted(moves, key=lambda move: move.time)
    ends = [*(move.time for move in ordered[1:]), None]
    return [ChampionPeriod(move, end) for move, end in zip(ordered, ends, strict=False)]


def champion_at(moves: Sequence[AliasChange], moment: datetime) -> ChampionPeriod | None:
    """Who reigned at a moment; None before the first."""
    return next((one for one in reversed(champion_periods(moves)) if one.move.time <= moment), None)


def previous_champion(moves: Sequence[AliasChange], champion: int, there: Container[int]) -> int | None:
    """The version that going back from ``champion`` leads to: each way back undoes one move, None where none is left.

    Versions that are not ``there`` any more are passed over. Where the alias was moved by other hands since, the last
    version that was moved here is the one before.
    """
    line: list[int] = []
    for move in sorted(moves, key=lambda move: move.time):
        if move.kind == "rolled back":
            line = line[:-1]
        elif move.before is not None and line[-1:] != [move.before]:
            line.append(move.before)  # other hands had brought it there
        if not line or line[-1] != move.version:
            line.append(move.version)
    left = [version for version in line if version in there]
    return next((version for version in reversed(left) if version != champion), None)
