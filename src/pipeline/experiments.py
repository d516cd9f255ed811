"""Shows the experiments of a commit, the best in validation first, each with its MLflow run; runs nothing.

python -m pipeline.experiments                 those that start from HEAD
python -m pipeline.experiments --rev HEAD~1    those of the commit before
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pipeline import experiment_queue, params, revision, runs, search, stage, tracking, trial_table, trials
from pipeline.gate import LOWER_IS_BETTER, Metric
from pipeline.trials import Trial

MOST_KEYS = 4  # that a line of 120 characters has room for


def main() -> None:
    """Prints `dvc exp show` with the columns that matter, and which run of MLflow is whose."""
    asked = _parser().parse_args()
    metric = asked.metric or search.read(params.load_mapping(Path(search.FILE))).metric
    revision.known(asked.rev, "REV")
    committed, found = experiment_queue.show(asked.rev)
    if not found:
        stage.say(f"No experiment starts from {asked.rev}: `dvc exp run -S model=logistic` runs one, `make sweep` a search.")
        return
    show(committed, found, metric, asked.rev)


def show(committed: Trial, found: Sequence[Trial], metric: str, rev: str = "HEAD", chosen: Trial | None = None) -> None:
    """Prints both tables of these experiments, and notes the MLflow run of each that has one on its commit."""
    ranked = trials.ranked(trials.beside(committed, found), metric)
    keys = list(dict.fromkeys([*trials.moved(found), *trials.moved(ranked)]))  # what was turned, then what else is new
    if len(keys) > MOST_KEYS:
        stage.say(f"{len(keys)} parameters differ; shown are the first {MOST_KEYS}, and all of them by `dvc params diff`.")
    experiment_queue.print_table(rev, keys[:MOST_KEYS], metric, lower_is_better=metric in LOWER_IS_BETTER)
    trial_table.show(ranked, keys[:MOST_KEYS], metric, linked(committed, found), chosen)


def linked(committed: Trial, found: Sequence[Trial]) -> dict[str, str]:
    """The id of the MLflow run of each experiment by name, noted on its commit; a store that is away costs a warning."""
    finished = [one for one in found if one.state == "success"]
    noted = runs.noted(finished)
    try:
        known = runs.of_experiments(tracking.store(), committed.rev)
    except Exception as error:  # whatever a tracking server or its client raises, the experiments are there without it
        stage.warn(
            f"MLflow did not say which runs there are ({(str(error).splitlines() or [type(error).__name__])[0][:200]})."
        )
        return noted
    if refused := runs.note([one for one in finished if known.get(one.name) != noted.get(one.name)], known):
        stage.warn(f"git took no note of the MLflow run of {', '.join(refused)}; `git config user.email` may be missing.")
    return {**noted, **known}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.experiments", description="Show experiments, the best in validation first."
    )
    parser.add_argument("--rev", default="HEAD", help="the commit that they start from (default: HEAD)")
    parser.add_argument("--metric", choices=get_args(Metric), help=f"the one to sort by (default: that of {search.FILE})")
    return parser


if __name__ == "__main__":
    stage.run(main)
