"""Shows the experiments of a commit, the best in validation first, each with its MLflow run; runs nothing.

python -m pipeline.experiments.listing                 those that start from HEAD
python -m pipeline.experiments.listing --rev HEAD~1    those of the commit before
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from pipeline.config.params_file import load_mapping
from pipeline.diff.gate import LOWER_IS_BETTER, Metric
from pipeline.experiments import dvc_queue, linked_runs, sweep_settings, trial_table, trials
from pipeline.experiments.trials import Trial
from pipeline.support import console
from pipeline.support.errors import first_line
from pipeline.tracking import mlflow_runs
from pipeline.versioning import revision

MOST_KEYS = 4  # that a line of 120 characters has room for


def main() -> None:
    """Prints `dvc exp show` with the columns that matter, and which run of MLflow is whose."""
    asked = _parser().parse_args()
    metric = asked.metric or sweep_settings.read(load_mapping(Path(sweep_settings.FILE))).metric
    revision.known(asked.rev, "REV")
    committed, found = dvc_queue.show(asked.rev)
    if not found:
        console.say(
            f"No experiment starts from {asked.rev}: `dvc exp run -S model=logistic` runs one, `make sweep` a search."
        )
        return
    show(committed, found, metric, asked.rev)


def show(committed: Trial, found: Sequence[Trial], metric: str, rev: str = "HEAD", chosen: Trial | None = None) -> None:
    """Prints both tables of what can be ranked, says what cannot, and notes the MLflow run of each on its commit."""
    ended = [one for one in found if one.state == "success"]
    ranked = trials.ranked(trials.rivals(committed, ended), metric)
    for line in left_out(committed, found, ranked):
        console.say(line)
    keys = turned(committed, ranked)
    if len(keys) > MOST_KEYS:
        console.say(f"{len(keys)} parameters differ; shown are the first {MOST_KEYS}, and all of them by `dvc params diff`.")
    others = [one.rev for one in ended if one not in ranked]
    dvc_queue.print_table(rev, keys[:MOST_KEYS], metric, without=others, lower_is_better=metric in LOWER_IS_BETTER)
    trial_table.show(ranked, keys[:MOST_KEYS], metric, linked(committed, found), chosen)


def left_out(committed: Trial, found: Sequence[Trial], ranked: Sequence[Trial]) -> Iterator[str]:
    """A sentence for each kind of experiment that is not ranked, and one where what is committed is not."""
    others = sum(one.state == "success" and one not in ranked for one in found)
    failed, waiting = (sum(one.state in states for one in found) for states in (("failed",), trials.WAITING))
    if committed not in ranked:
        yield "What is committed answers another question, or on other rows, and does not compare: it is not ranked."
    if others:
        yield f"{others} answer another question, or on other rows, and do not compare: `dvc exp show` has them."
    if failed:
        yield f"{failed} failed: `dvc queue logs NAME` says why, and `dvc queue remove --failed` takes them away."
    if waiting:
        yield f"{waiting} still to come: queued, or running."


def turned(committed: Trial, ranked: Sequence[Trial]) -> list[str]:
    """The parameters that differ: first what was turned, then what a chosen group brings along; of the data last."""

    def place(key: str) -> tuple[bool, bool]:
        values = {repr(one.params[key]) for one in ranked if key in one.params}
        return key.startswith("data."), len(values) == 1

    experiments = [one for one in ranked if one is not committed]
    return sorted(dict.fromkeys([*trials.moved(experiments), *trials.moved(ranked)]), key=place)


def linked(committed: Trial, found: Sequence[Trial]) -> dict[str, str]:
    """The id of the MLflow run of each experiment by name, noted on its commit; a store that is away costs a warning."""
    finished = [one for one in found if one.state == "success"]
    noted = linked_runs.noted(finished)
    try:
        known = linked_runs.of_experiments(mlflow_runs.store(), committed.rev)
    except Exception as error:  # whatever a tracking server or its client raises, the experiments are there without it
        console.warn(f"MLflow did not say which runs there are ({first_line(error)}).")
        return noted
    if refused := linked_runs.note([one for one in finished if known.get(one.name) != noted.get(one.name)], known):
        console.warn(f"git took no note of the MLflow run of {', '.join(refused)}; `git config user.email` may be missing.")
    return {**noted, **known}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.experiments.listing", description="Show experiments, the best in validation first."
    )
    parser.add_argument("--rev", default="HEAD", help="the commit that they start from (default: HEAD)")
    parser.add_argument(
        "--metric", choices=get_args(Metric), help=f"the one to sort by (default: that of {sweep_settings.FILE})"
    )
    return parser


if __name__ == "__main__":
    console.run(main)
