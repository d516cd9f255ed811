"""Runs a search over conf/ as queued experiments of DVC and applies the best in validation, or lists what there is."""

import contextlib
import signal
import threading
from collections.abc import Sequence
from typing import Annotated, Any, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.params_file import CONF, PARAMS, load_mapping
from pipeline.config.parsing import parse_settings
from pipeline.config.paths import PAGE
from pipeline.config.settings import CLOSED
from pipeline.diff.gate_settings import Metric
from pipeline.experiments import dvc_queue, listing
from pipeline.experiments.listing import Trial
from pipeline.params import compose
from pipeline.support import console
from pipeline.support.errors import OntimeError
from pipeline.tracking import mlflow_runs
from pipeline.versioning import committed, dvc, revision

FILE = CONF / "sweep.yaml"
Plan = dict[tuple[str, ...], dict[str, Any]]  # the parameters of each point, which is overrides with one value each


class SweepFailed(OntimeError):
    """The sweep cannot start, was stopped, or leaves nothing to choose from."""


@dataclass(frozen=True, config=CLOSED)
class SweepSettings:
    """All of conf/sweep.yaml: overrides in Hydra's grammar of sweeps, the metric of the validation, how many at a time."""

    overrides: Annotated[tuple[str, ...], Field(min_length=1)]
    metric: Metric
    at_once: Annotated[int, Field(ge=1, le=64)]


def main() -> None:
    """Lists what there is, or queues, waits, lists and applies: what HEAD has an experiment for is not run again."""
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("overrides", nargs="*", help=f"what to try, in place of the overrides in {FILE}")
    parser.add_argument("--metric", choices=get_args(Metric), help=f"the one to choose by, in place of that in {FILE}")
    parser.add_argument("--no-apply", action="store_true", help="only show what there is to choose from")
    parser.add_argument("--list", metavar="REV", help="only list the experiments that start from this commit")
    asked, settings = parser.parse_args(), parse_settings(SweepSettings, load_mapping(FILE), file=str(FILE))
    metric, overrides = asked.metric or settings.metric, asked.overrides or settings.overrides
    if asked.list and revision.resolve_commit(asked.list, "REV"):
        listing.show(*listing.read(asked.list), metric)
        return
    with console.step("compose every point of the search"):
        plan = compose.grid(overrides)
    with console.step("look at what is committed"):
        committed.require(
            "A sweep starts from the commit that reproduces data/",
            ("ingest", "preprocess", "train", "evaluate"),
            {values["data.source.path"] for values in plan.values()},  # of data sets that the points choose
        )
        compose.check(load_mapping(PARAMS), compose.compose())
        base, existing = listing.read()
        with contextlib.suppress(Exception):  # whatever MLflow raises, experiments run without it
            mlflow_runs.open_store(load_mapping(PARAMS)["data"]["name"])  # two experiments that make it at once would fail
    names, missing = divided(plan, base, existing)
    console.say(f"{len(plan)} points: {len(missing)} to run, {len(names)} with an experiment, the rest is what is committed")
    run(missing, names, settings.at_once)
    experiments = [trial for trial in listing.read()[1] if trial.name in names]
    choose(base, experiments, metric, None if asked.no_apply else plan)


def divided(plan: Plan, base: Trial, existing: Sequence[Trial]) -> tuple[list[str], list[tuple[str, ...]]]:
    """The names of experiments that points already have, and the points that are still to run.

    What failed, or ran with other code, runs again. The committed point never does: DVC would have nothing to do.
    """
    usable = [trial for trial in existing if trial.state != "failed" and trial.code in ({}, base.code)]
    names = {point: [trial.name for trial in usable if trial.params == plan[point]] for point in plan}
    missing = [point for point in plan if not names[point] and plan[point] != base.params]
    return [same[0] for same in names.values() if same], missing


def run(missing: Sequence[tuple[str, ...]], names: list[str], jobs: int) -> None:
    """Queues the missing points, adding their names to ``names``, and waits for all. Raises SweepFailed on Ctrl-C."""
    stop = threading.Event()  # looked at between DVC's commands: none of them is cut off half way
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with console.step(f"queue {len(missing)} experiments"):
        for point in missing:
            names += [] if stop.is_set() else dvc_queue.enqueue(point)
    with console.step(f"run {len(names)} experiments, {jobs} at a time", len(names)) as advance:
        dvc_queue.work_off(names, jobs, stop, advance)
    if stop.is_set():
        with console.step("stop the experiments that run"):
            dvc_queue.stop(names)
        raise SweepFailed(
            "Stopped before the end. `make experiments` shows what is done, `make sweep` goes on with the rest."
        )


def choose(base: Trial, experiments: Sequence[Trial], metric: str, plan: Plan | None) -> None:
    """Lists the experiments and applies the best in validation; without the ``plan`` that it is in, only names it."""
    listing.show(base, experiments, metric)
    if all(trial.state == "failed" for trial in experiments):
        raise SweepFailed("A sweep needs experiments that end well, of points that are not committed; there is none.")
    best = listing.ranked(base, experiments, metric)[0]
    if best is base:
        console.say(f"No experiment has a better {metric} in validation than what is committed: nothing to apply.")
    elif plan is None:
        console.say(f"The best in validation is {best.name}: `dvc exp apply {best.name}` takes it, with its report {PAGE}.")
    else:
        dvc.run("exp", "apply", best.rev)
        console.say(f"{best.name} is applied to the working tree, with its report {PAGE}. To keep it, write into conf/")
        for override in next(point for point in plan if plan[point] == best.params):
            key, _, value = override.lstrip("+").partition("=")
            if str(base.params.get(key, base.params.get(f"{key}.name"))) != value:  # a key, or a group's choice
                console.say(f"  {key}: {value}" + ("" if "." in key else " in the defaults of conf/config.yaml"))
        console.say("and commit after `make params`. To go back: `make reset`.")


if __name__ == "__main__":
    console.run(main)
