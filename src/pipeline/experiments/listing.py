"""The experiments of a commit: read, ranked by the validation period, and shown in one table."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tenacity

from pipeline.config.flatten import leaves
from pipeline.config.parsing import PARAMS_NAME
from pipeline.config.paths import METRICS, PAGE, VALIDATION
from pipeline.diff import compare, gate_settings
from pipeline.experiments import dvc_queue
from pipeline.support import console, console_table
from pipeline.support.errors import first_line
from pipeline.tracking import mlflow_runs
from pipeline.versioning import dvc


@dataclass(frozen=True)
class Trial:
    """One experiment, or the commit that all start from: its commit, parameters by full key, scores, hashes of its code."""

    name: str
    rev: str
    state: str  # committed, queued, running, failed or success
    params: Mapping[str, Any]
    validation: Mapping[str, float]
    test: Mapping[str, Any]
    code: Mapping[str, str]
    changes: Sequence[compare.ChangedValue] = ()  # from what is committed

    def gain(self, metric: str) -> float:
        """The metric of the validation period, so signed that more is better; minus infinity where there is none."""
        value = self.validation.get(metric, math.nan)
        return -math.inf if math.isnan(value) else gate_settings.gain(metric, 0, value)


@tenacity.retry(stop=tenacity.stop_after_attempt(5), before_sleep=dvc_queue.release_orphans, reraise=True)
def read(rev: str = "HEAD") -> tuple[Trial, list[Trial]]:
    """A commit as a trial, and the experiments that start from it, in any state.

    `dvc exp show` opens the folder of each running experiment, and fails while a worker makes ("Empty git repo") or removes
    that folder: for ever where the worker died meanwhile. So this waits, releases what a dead worker held, and asks again.
    """
    *_, shown = json.loads(dvc.run("exp", "show", "--json", "--rev", rev))
    committed = _trial(shown, "committed", {"state": "committed"})
    trials = [_trial(one["revs"][0], one["name"], one["executor"] or {}) for one in shown["experiments"] or ()]
    return committed, [replace(trial, changes=compare.differences(committed.params, trial.params)) for trial in trials]


def _trial(shown: Mapping[str, Any], name: str, executor: Mapping[str, Any]) -> Trial:
    data, state = shown["data"] or {}, executor.get("state") or "success"  # it ran outside the queue: it is there, so it did
    metrics = data.get("metrics", {}) if state in ("success", "committed") else {}  # DVC shows those of HEAD for any other
    files = {path: content.get("data") or {} for path, content in (data.get("params", {}) | metrics).items()}
    params, validation, test = (files.get(str(path), {}) for path in (PARAMS_NAME, VALIDATION, METRICS))
    code = {path: dep["hash"] for path, dep in data.get("deps", {}).items() if path.startswith(("src/", "requirements/"))}
    return Trial(name, shown["rev"], state, dict(leaves(params)) if params else {}, validation, test, code)


def ranked(committed: Trial, trials: Iterable[Trial], metric: str) -> list[Trial]:
    """What is committed and the experiments that answer its question: the best first, equals in the order given."""
    same = [trial for trial in trials if not compare.question_changes(change.key for change in trial.changes)]
    return sorted([committed, *same], key=lambda trial: trial.gain(metric), reverse=True)


def show(committed: Trial, trials: Sequence[Trial], metric: str) -> None:
    """Prints a table of what answers the committed question, and says which experiments failed or answer another one."""
    comparable, runs = ranked(committed, trials, metric), {}
    try:
        runs = mlflow_runs.runs_by_experiment(committed.rev)
    except Exception as error:  # whatever a tracking server or its client raises, the experiments are there without it
        console.warn(f"MLflow did not say which runs there are ({first_line(error)}).")
    rows = []
    for trial in comparable:
        changes = "\n".join(f"{change.key}={change.head}" for change in trial.changes if change.head is not None)
        score = f"{trial.validation[metric]:.6f}" if trial.gain(metric) > -math.inf else trial.state
        test = trial.test.get(metric) or math.nan
        rows.append((trial.name, changes, score, f"{test:.6f}", runs.get(trial.name, "-")))
    console_table.show(["experiment", "what it changes", "validation", "test", "MLflow run"], rows, left=["what it changes"])
    console.say(f"Scores are {metric}; the order is that of the validation period, and the test period chooses nothing.")
    if runs:
        console.say(f"Each MLflow run holds the report of its experiment, report/{PAGE.name}.")
    for trial in trials:
        if trial.state == "failed":
            console.warn(f"{trial.name} failed; `dvc queue logs {trial.name}` says why.")
    if others := len(trials) + 1 - len(comparable):
        console.say(f"{others} answer another question, or on other rows, and do not compare: `dvc exp show` has them.")
