"""Finds the MLflow run of each experiment, and notes it on the experiment's commit: each then names the other.

A run is tagged with its experiment (``DVC_EXP_NAME``) by ``evaluate``. An experiment cannot hold the id of its run, which is
another one each time: the same commit would no longer give the same bytes. So a git note holds it, beside the commit.
"""

import subprocess
from collections.abc import Iterable, Mapping

from mlflow import MlflowClient

from pipeline.experiments.trials import Trial
from pipeline.tracking import mlflow_runs
from pipeline.versioning import git

NOTES = "mlflow"  # `git log --notes=mlflow -1 COMMIT` shows them
NOTE = "mlflow run "
MOST_RUNS = 10_000  # of one commit


def of_experiments(store: MlflowClient, baseline: str) -> dict[str, str]:
    """The id of the latest finished run of each experiment that starts from the commit ``baseline``, by its DVC name."""
    experiment = store.get_experiment_by_name(mlflow_runs.EXPERIMENT)
    if experiment is None:
        return {}
    wanted = f"tags.DVC_EXP_BASELINE_REV = '{baseline}' and attributes.status = 'FINISHED'"
    runs = store.search_runs([experiment.experiment_id], wanted, max_results=MOST_RUNS, order_by=["start_time ASC"])
    return {run.data.tags["DVC_EXP_NAME"]: run.info.run_id for run in runs if "DVC_EXP_NAME" in run.data.tags}


def noted(trials: Iterable[Trial]) -> dict[str, str]:
    """The id of the run in the note on each experiment's commit, by the experiment's name, where there is a note."""
    notes = {trial.name: _notes("show", trial.rev).stdout.strip() for trial in trials}
    return {name: text.removeprefix(NOTE) for name, text in notes.items() if text.startswith(NOTE)}


def note(trials: Iterable[Trial], found: Mapping[str, str]) -> list[str]:
    """Notes the run on the commit of each experiment; gives the names of those that git refuses to note."""
    new = [trial for trial in trials if trial.name in found]
    return [one.name for one in new if _notes("add", "--force", "--message", NOTE + found[one.name], one.rev).returncode]


def _notes(verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    return git.ask("notes", f"--ref={NOTES}", verb, *words)
