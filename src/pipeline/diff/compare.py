"""What one side of a change says differs from the other: settings, hashes, rows, scores, slices; and whether it fails."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pipeline.config.flatten import leaves
from pipeline.diff import gate
from pipeline.support.errors import OntimeError

Verdict = Literal["worse", "gone", "within tolerance", "better", "new", "same", "undefined", "not judged"]
FAILS = frozenset(("worse", "gone"))
ABSENT = ("not there", "undefined")
SLICE = ["by", "slice"]
DECIMALS = 9  # of a difference: what subtracting two rounded scores adds in the sixteenth is no change
MOST_STALE = 3  # named in a sentence
SAME_QUESTION = ("data.columns.", "data.tables.", "data.source.", "data.slices", "data.resample_by")
UNCERTAIN = 1e-9  # a tolerance below which the slices of a metric are sorted as if they had this one


class ChangeFails(OntimeError):
    """A metric is worse than its tolerance, or gone."""


class ChangeNotJudged(OntimeError):
    """The results are not those of the code and the settings that stand beside them."""


@dataclass(frozen=True)
class Interval:
    """A score, None where it is undefined, with the ends of its interval where somebody worked them out."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """What is known of one side: empty, or None, where it has no such file."""

    params: Mapping[str, Any]
    gate: Mapping[str, Any]
    hashes: Mapping[str, str]
    rows: Mapping[str, int] | None
    metrics: Mapping[str, Interval]
    validation: Mapping[str, Interval]
    slices: pd.DataFrame | None
    curves: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class ChangedValue:
    """One setting, hash or count as text, None on the side that does not have it."""

    key: str
    base: str | None
    head: str | None


@dataclass(frozen=True)
class Score:
    """One metric on both sides, None on the side that does not have it; without a tolerance it is only shown."""

    name: str
    base: Interval | None
    head: Interval | None
    tolerance: float | None = None

    @property
    def change(self) -> float | None:
        """Head less base, None where one of them is undefined or not there."""
        before, after = _value(self.base), _value(self.head)
        return None if before is None or after is None else round(after - before, DECIMALS)

    @property
    def verdict(self) -> Verdict:
        """One word for the change; those of FAILS fail it.

        A metric is gone where head lacks it, or has it undefined, and somebody counts on it: the base or the gate.
        """
        if _value(self.head) is None:
            if self.head is None or self.tolerance is not None or _value(self.base) is not None:
                return "gone"
            return "same" if self.base == self.head else "undefined"
        if self.change is None:
            return "new"
        if self.change == 0:
            return "same"
        if self.tolerance is None:
            return "not judged"
        gain = gate.gain(self.name, 0, self.change)
        return "within tolerance" if abs(gain) <= self.tolerance else "better" if gain > 0 else "worse"

    @property
    def reason(self) -> str:
        """Why it fails, as what follows its name in a sentence."""
        before, after = _four(self.base), _four(self.head)
        if after in ABSENT:
            return f"is {after}; {gate.FILE} has a tolerance for it" if self.base is None else f"was {before} and is {after}"
        worse = abs(self.change or 0)
        return f"is {after}, {worse:.5f} worse than {before} ({self.tolerance:g} tolerated)"


@dataclass(frozen=True)
class SliceScore:
    """One metric of one slice that both sides have, ``rows`` of it in head, with the change that would show it."""

    by: str
    slice: str
    rows: int
    score: Score

    @property
    def tolerances_moved(self) -> float:
        """Its change in units of the tolerance of its metric; infinite where the score is defined on one side alone."""
        change = self.score.change
        return float("inf") if change is None else abs(change) / max(self.score.tolerance or 0, UNCERTAIN)


@dataclass(frozen=True)
class Slices:
    """The slices that moved, those that moved most first; and how many only one side has."""

    moved: Sequence[SliceScore] = ()
    compared: int = 0
    gone: int = 0
    new: int = 0


@dataclass(frozen=True)
class Change:
    """All that differs between two sides."""

    params: Sequence[ChangedValue]
    gate: Sequence[ChangedValue]
    hashes: Sequence[ChangedValue]
    rows: Sequence[ChangedValue]
    metrics: Sequence[Score]
    validation: Sequence[Score]
    slices: Slices
    curves: frozenset[str]

    @property
    def failed(self) -> list[Score]:
        """The metrics that fail the change; those of the validation period fail it only where they are gone."""
        judged = [score for score in self.metrics if score.verdict in FAILS]
        return judged + [score for score in self.validation if score.verdict == "gone"]

    @property
    def question(self) -> list[str]:
        """The settings and row counts by which the two sides are not scored on the same rows for the same answer."""
        return of_question(one.key for one in self.params) + [f"rows.{one.key}" for one in self.rows if one.key == "test"]

    @property
    def nothing(self) -> bool:
        """Whether the two sides are the same in all that is compared."""
        scores = [*self.metrics, *self.validation]
        values = [*self.params, *self.gate, *self.hashes, *self.rows]
        moved = self.slices.moved or self.slices.gone or self.slices.new or self.curves
        return not values and not moved and all(score.verdict == "same" for score in scores)


def compare(base: Snapshot, head: Snapshot, judged_by: gate.Diff) -> Change:
    """What differs, judged by these tolerances."""
    rows = differences(base.rows, head.rows) if base.rows is not None and head.rows is not None else []
    return Change(
        params=differences(base.params, head.params),
        gate=differences(base.gate, head.gate),
        hashes=differences(base.hashes, head.hashes),
        rows=rows,
        metrics=_scores(base.metrics, head.metrics, judged_by.tolerances),
        validation=_scores(_of_validation(base), _of_validation(head), {}),
        slices=_slices(base.slices, head.slices, judged_by.slice_tolerances),
        curves=_curves(base.curves, head.curves),
    )


def of_question(differing: Iterable[str]) -> list[str]:
    """Of the settings that differ, those by which two sides answer different questions."""
    of_data = [key for key in differing if key.startswith("data.") and not key.endswith(".description")]
    return [key for key in of_data if not key.startswith(SAME_QUESTION)]


def refuse_stale(stale: Sequence[str]) -> None:
    """Raises ChangeNotJudged where something has to be reproduced before its results say anything."""
    if stale:
        raise ChangeNotJudged(
            "A change is judged by the results of its own code and settings; what data/ holds is older than "
            f"{'; '.join(stale[:MOST_STALE])}. Type `make params repro`, then `make diff` again."
        )


def refuse_failure(change: Change) -> None:
    """Raises ChangeFails, which names each metric that fails the change."""
    if change.failed:
        reasons = "; ".join(f"{score.name} {score.reason}" for score in change.failed)
        raise ChangeFails(
            f"A change should leave every metric within its tolerance; {reasons}. "
            f"Mend the change, or first change {gate.FILE} by itself, and say there why more is tolerated."
        )


def differences(base: Mapping[str, Any], head: Mapping[str, Any]) -> list[ChangedValue]:
    """The leaves that differ, by full key, in the order of head and then of base."""
    before, after = dict(leaves(base)) if base else {}, dict(leaves(head)) if head else {}
    keys = [key for key in {**after, **before} if key not in before or key not in after or before[key] != after[key]]
    return [ChangedValue(key, _text(before, key), _text(after, key)) for key in keys]


def _text(values: Mapping[str, Any], key: str) -> str | None:
    if key not in values:
        return None
    value = values[key]
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _value(score: Interval | None) -> float | None:
    return None if score is None else score.value


def _four(score: Interval | None) -> str:
    return ABSENT[0] if score is None else ABSENT[1] if score.value is None else f"{score.value:.4f}"


def _scores(base: Mapping[str, Interval], head: Mapping[str, Interval], tolerances: Mapping[Any, float]) -> list[Score]:
    names = dict.fromkeys([*base, *head, *tolerances])
    return [Score(name, base.get(name), head.get(name), tolerances.get(name)) for name in names]


def _of_validation(side: Snapshot) -> dict[str, Interval]:
    """The scores of the validation period, under names that are not those of the test period."""
    return {f"validation.{name}": score for name, score in side.validation.items()}


def _slices(base: pd.DataFrame | None, head: pd.DataFrame | None, tolerances: Mapping[Any, float]) -> Slices:
    before, after = _names(base), _names(head)
    if base is None or head is None:
        return Slices(gone=len(before), new=len(after))
    both = base.merge(head, on=[*SLICE, "metric"], suffixes=("_base", "_head"))
    scores = [_slice_score(row, tolerances[row["metric"]]) for row in _rows(both) if row["metric"] in tolerances]
    moved = [one for one in scores if one.tolerances_moved > 1 and one.score.base != one.score.head]
    moved.sort(key=lambda one: one.tolerances_moved, reverse=True)
    return Slices(moved, len(before & after), len(before - after), len(after - before))


def _names(table: pd.DataFrame | None) -> set[tuple[str, ...]]:
    return set() if table is None else set(table[SLICE].itertuples(index=False, name=None))


def _rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    yield from table.astype(object).where(table.notna(), None).to_dict("records")


def _slice_score(row: Mapping[str, Any], tolerance: float) -> SliceScore:
    base, head = (Interval(*(row[f"{end}_{side}"] for end in ("value", "low", "high"))) for side in ("base", "head"))
    return SliceScore(row["by"], row["slice"], row["rows_head"], Score(row["metric"], base, head, tolerance))


def _curves(base: Mapping[str, pd.DataFrame], head: Mapping[str, pd.DataFrame]) -> frozenset[str]:
    names = {*base, *head}
    return frozenset(name for name in names if name not in base or name not in head or not base[name].equals(head[name]))
