"""Compares two snapshots: settings, hashes, row counts, metrics, slices, curves; and decides whether the change fails."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pipeline.config.flatten import leaves
from pipeline.diff import gate_settings
from pipeline.support.errors import OntimeError

Verdict = Literal["worse", "gone", "within tolerance", "better", "new", "same", "undefined", "not judged"]
FAILS = frozenset(("worse", "gone"))
ABSENT = ("not there", "undefined")
SLICE = ["by", "slice"]
DECIMALS = 9  # of a difference: the rounding error of subtracting two scores is no change
MOST_STALE = 3  # stages named in a message
SAME_QUESTION = ("data.columns.", "data.tables.", "data.source.", "data.slices", "data.resample_by")
SMALLEST_TOLERANCE = 1e-9  # of a slice when slices are sorted, so that a tolerance of 0 divides nothing by 0


class ChangeFails(OntimeError):
    """A metric is worse than its tolerance, or gone."""


class ChangeNotJudged(OntimeError):
    """The results in data/ are not those of the present code and settings."""


@dataclass(frozen=True)
class Interval:
    """A score, None where it is undefined, and the ends of its interval where there is one."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """The files of one side of a change, empty where it has no such file; ``rows`` is None where DVC's cache lacks them."""

    params: Mapping[str, Any]
    gate: Mapping[str, Any]
    hashes: Mapping[str, str]
    rows: Mapping[str, int] | None
    metrics: Mapping[str, Interval]
    validation: Mapping[str, Interval]
    slices: pd.DataFrame
    curves: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class ChangedValue:
    """One setting, hash or count as text, None on the side that does not have it."""

    key: str
    base: str | None
    head: str | None


@dataclass(frozen=True)
class Score:
    """One metric on both sides, None on the side that lacks it; without a tolerance it is shown and not judged.

    That of a slice names the slice, such as ``month 01``, and the number of its ``rows`` in head.
    """

    name: str
    base: Interval | None
    head: Interval | None
    tolerance: float | None = None
    slice: str = ""
    rows: int = 0

    @property
    def change(self) -> float | None:
        """Head minus base, None where either is undefined or absent."""
        base, head = _value(self.base), _value(self.head)
        return None if base is None or head is None else round(head - base, DECIMALS)

    @property
    def verdict(self) -> Verdict:
        """How the metric changed, in a word or two; a verdict in FAILS fails the change.

        A metric is gone where head lacks it, or has it undefined although the base defines it or the gate judges it.
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
        gain = gate_settings.gain(self.name, 0, self.change)
        return "within tolerance" if abs(gain) <= self.tolerance else "better" if gain > 0 else "worse"

    @property
    def reason(self) -> str:
        """Why the metric fails the change, as a predicate to follow its name."""
        base, head = _format(self.base), _format(self.head)
        if head in ABSENT and self.base is None:
            return f"is {head}; {gate_settings.FILE} has a tolerance for it"
        if head in ABSENT:
            return f"was {base} and is {head}"
        loss = abs(self.change or 0)
        return f"is {head}, {loss:.5f} worse than {base} ({self.tolerance:g} tolerated)"

    @property
    def tolerances_moved(self) -> float:
        """The change divided by the tolerance of the metric; infinite where only one side defines the score."""
        return float("inf") if self.change is None else abs(self.change) / max(self.tolerance or 0, SMALLEST_TOLERANCE)


@dataclass(frozen=True)
class Slices:
    """The scores of slices that moved, the largest moves first; how many slices both sides have, and only one side has."""

    moved: Sequence[Score] = ()
    compared: int = 0
    gone: int = 0
    new: int = 0


@dataclass(frozen=True)
class Change:
    """All differences between two snapshots."""

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
    def question_changes(self) -> list[str]:
        """The settings and row counts that changed what is predicted or on which rows, so that scores are not comparable."""
        changed_rows = [f"rows.{count.key}" for count in self.rows if count.key == "test"]
        return question_changes(setting.key for setting in self.params) + changed_rows

    @property
    def is_empty(self) -> bool:
        """Whether the two sides are the same in everything that is compared."""
        scores = [*self.metrics, *self.validation]
        values = [*self.params, *self.gate, *self.hashes, *self.rows]
        moved = self.slices.moved or self.slices.gone or self.slices.new or self.curves
        return not values and not moved and all(score.verdict == "same" for score in scores)


def compare(base: Snapshot, head: Snapshot, judged_by: gate_settings.Diff) -> Change:
    """All differences between two snapshots; ``judged_by`` holds the tolerances."""
    return Change(
        params=differences(base.params, head.params),
        gate=differences(base.gate, head.gate),
        hashes=differences(base.hashes, head.hashes),
        rows=differences(base.rows, head.rows) if base.rows is not None and head.rows is not None else [],
        metrics=_scores(base.metrics, head.metrics, judged_by.tolerances),
        validation=_scores(base.validation, head.validation, {}, prefix="validation."),
        slices=_slices(base.slices, head.slices, judged_by.slice_tolerances),
        curves=_curves(base.curves, head.curves),
    )


def question_changes(keys: Iterable[str]) -> list[str]:
    """The keys, of settings that differ, that change what is predicted or on which rows."""
    data_keys = [key for key in keys if key.startswith("data.") and not key.endswith(".description")]
    return [key for key in data_keys if not key.startswith(SAME_QUESTION)]


def refuse_stale(stale: Sequence[str]) -> None:
    """Raises ChangeNotJudged where ``stale`` names stages to reproduce before their results can be judged."""
    if stale:
        raise ChangeNotJudged(
            "A change is judged by the results of its own code and settings; those in data/ are older than "
            f"{'; '.join(stale[:MOST_STALE])}. Type `make params repro`, then `make diff` again."
        )


def refuse_failure(change: Change) -> None:
    """Raises ChangeFails, which names each metric that fails the change."""
    if change.failed:
        reasons = "; ".join(f"{score.name} {score.reason}" for score in change.failed)
        raise ChangeFails(
            f"A change should leave every metric within its tolerance; {reasons}. "
            f"Correct the change, or first change {gate_settings.FILE} by itself, and say there why more is tolerated."
        )


def differences(base: Mapping[str, Any], head: Mapping[str, Any]) -> list[ChangedValue]:
    """The values that differ between nested mappings, by full key, in the order of head and then of base."""
    old, new = dict(leaves(base)) if base else {}, dict(leaves(head)) if head else {}
    keys = [key for key in {**new, **old} if key not in old or key not in new or old[key] != new[key]]
    return [ChangedValue(key, _text(old, key), _text(new, key)) for key in keys]


def _text(values: Mapping[str, Any], key: str) -> str | None:
    if key not in values:
        return None
    value = values[key]
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _value(score: Interval | None) -> float | None:
    return None if score is None else score.value


def _format(score: Interval | None) -> str:
    return ABSENT[0] if score is None else ABSENT[1] if score.value is None else f"{score.value:.4f}"


def _scores(
    base: Mapping[str, Interval], head: Mapping[str, Interval], tolerances: Mapping[Any, float], prefix: str = ""
) -> list[Score]:
    names = dict.fromkeys([*base, *head, *tolerances])
    return [Score(prefix + name, base.get(name), head.get(name), tolerances.get(name)) for name in names]


def _slices(base: pd.DataFrame, head: pd.DataFrame, tolerances: Mapping[Any, float]) -> Slices:
    old, new = (set(table[SLICE].itertuples(index=False, name=None)) for table in (base, head))
    both = base[base["metric"].isin(tolerances)].merge(head, on=[*SLICE, "metric"], suffixes=("_base", "_head"))
    rows = both.astype(object).where(both.notna(), None).to_dict("records")
    scores = [_slice_score(row, tolerances[row["metric"]]) for row in rows]
    moved = [score for score in scores if score.tolerances_moved > 1 and score.base != score.head]
    moved.sort(key=lambda score: score.tolerances_moved, reverse=True)
    return Slices(moved, len(old & new), len(old - new), len(new - old))


def _slice_score(row: Mapping[str, Any], tolerance: float) -> Score:
    base, head = (Interval(*(row[f"{end}_{side}"] for end in ("value", "low", "high"))) for side in ("base", "head"))
    return Score(row["metric"], base, head, tolerance, f"{row['by']} {row['slice']}", row["rows_head"])


def _curves(base: Mapping[str, pd.DataFrame], head: Mapping[str, pd.DataFrame]) -> frozenset[str]:
    names = {*base, *head}
    return frozenset(name for name in names if name not in base or name not in head or not base[name].equals(head[name]))
