"""The experiments of one commit as `dvc exp show --json` tells of them, compared by a metric of the validation period."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.config import paths
from pipeline.config.flatten import leaves
from pipeline.config.settings import PARAMS_NAME
from pipeline.diff import gate
from pipeline.diff.compare import question_changes

VALIDATION, TEST = str(paths.VALIDATION), str(paths.METRICS)
COMMITTED = "committed"
CODE = ("src/", "requirements/")
WAITING = frozenset(("queued", "running"))


@dataclass(frozen=True)
class Trial:
    """One experiment: its parameters by full key, its metrics, and the md5 of each file of code that made it.

    An unfinished one has neither metrics nor code.

    ``rev`` is its commit, or that of its place in the queue; ``state`` is queued, running, success, failed or committed.
    """

    name: str
    rev: str
    state: str
    params: Mapping[str, Any]
    validation: Mapping[str, float]
    test: Mapping[str, Any]
    code: Mapping[str, str] = field(default_factory=dict)

    def score(self, metric: str) -> float:
        """The metric of the validation period; NaN where there is none."""
        value = self.validation.get(metric)
        return math.nan if value is None else float(value)

    def has(self, metric: str) -> bool:
        """Whether it has the metric in the validation period."""
        return not math.isnan(self.score(metric))

    def test_score(self, metric: str) -> float:
        """The metric of the test period, by which nothing is chosen; NaN where there is none."""
        value = self.test.get(metric, {}).get("value")
        return math.nan if value is None else float(value)


def read(shown: Sequence[Mapping[str, Any]]) -> tuple[Trial, list[Trial]]:
    """The commit itself and its experiments, from what `dvc exp show --json` prints of one commit."""
    baseline = shown[-1]
    trials = [_trial(one["revs"][0], one["name"], _state(one)) for one in baseline["experiments"] or []]
    return _trial(baseline, COMMITTED, COMMITTED), trials


def ranked(trials: Iterable[Trial], metric: str) -> list[Trial]:
    """The best first, equals in the order given, those without the metric last."""
    better = 1 if metric in gate.LOWER_IS_BETTER else -1

    def place(trial: Trial) -> tuple[bool, float]:
        score = trial.score(metric)
        return math.isnan(score), 0.0 if math.isnan(score) else better * score

    return sorted(trials, key=place)


def best(trials: Iterable[Trial], metric: str) -> Trial | None:
    """The best of those that have the metric, the first one of equals; None where none has."""
    return next((one for one in ranked(trials, metric) if one.has(metric)), None)


def moved(trials: Sequence[Trial]) -> list[str]:
    """The parameters that are not the same in all, in the order of params.yaml."""
    keys = dict.fromkeys(key for one in trials for key in one.params)
    return [key for key in keys if len({repr(one.params.get(key)) for one in trials}) > 1]


def changes(base: Mapping[str, Any], head: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The keys that differ, with the value on each side, "nothing" where a side has none."""
    keys = [key for key in {**base, **head} if base.get(key, "absent") != head.get(key, "absent")]
    return [(key, base.get(key, "nothing"), head.get(key, "nothing")) for key in keys]


def rivals(committed: Trial, trials: Sequence[Trial]) -> list[Trial]:
    """What is committed, and the experiments that answer its question: only they can be ranked together.

    Where none does, those that answer the question of the first.
    """
    same = [one for one in trials if _same_question(committed, one)]
    return [committed, *same] if same or not trials else [one for one in trials if _same_question(trials[0], one)]


def _same_question(one: Trial, other: Trial) -> bool:
    return not question_changes(key for key, *_ in changes(one.params, other.params))


def _trial(shown: Mapping[str, Any], name: str | None, state: str) -> Trial:
    data = shown["data"] or {}
    params, metrics = _content(data.get("params") or {}, PARAMS_NAME), data.get("metrics") or {}
    return Trial(
        name or shown["rev"][:7],
        shown["rev"],
        state,
        dict(leaves(params)) if params else {},
        {} if state in WAITING or state == "failed" else _content(metrics, VALIDATION),
        {} if state in WAITING or state == "failed" else _content(metrics, TEST),
        {path: str(one["hash"]) for path, one in (data.get("deps") or {}).items() if path.startswith(CODE)},
    )


def _content(files: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    return files.get(path, {}).get("data") or {}


def _state(experiment: Mapping[str, Any]) -> str:
    """What DVC's queue says; an experiment that ran without the queue is there because it succeeded."""
    return str((experiment.get("executor") or {}).get("state") or "success")
