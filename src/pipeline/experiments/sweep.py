"""Runs a search over conf/ as queued experiments of DVC, shows them by the validation period, and applies the best.

python -m pipeline.experiments.sweep                                                the search of conf/sweep.yaml
python -m pipeline.experiments.sweep model=logistic 'model.inverse_penalty=choice(0.1,1)'   another one
python -m pipeline.experiments.sweep --no-apply                                     only looks

What HEAD already has an experiment for, also one that waits, is not run again: a sweep that was stopped goes on.
"""

import argparse
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, get_args

from pipeline.config.flatten import leaves
from pipeline.config.params_file import PARAMS, load_mapping
from pipeline.diff.gate import Metric
from pipeline.experiments import conf_edits, dvc_queue, grid, listing, sweep_settings, trials
from pipeline.experiments.grid import Point
from pipeline.experiments.sweep_settings import SweepSettings
from pipeline.experiments.trials import Trial
from pipeline.experiments.worker_pool import WorkerPool
from pipeline.params import compose
from pipeline.support import console
from pipeline.support.errors import OntimeError, first_line
from pipeline.tracking import mlflow_runs
from pipeline.versioning import dvc_status, git

POLL_SECONDS = 4  # asking DVC takes about one second of a processor
POLLS_A_LOOK = 3  # at the workers, which answer slowly
Plan = dict[Point, dict[str, Any]]  # the parameters of each point by full key


class SweepImpossible(OntimeError):
    """The working tree is not what is committed, so that experiments would start from something else."""


class SweepStopped(OntimeError):
    """Somebody stopped the sweep before its end."""


class SweepFailed(OntimeError):
    """No experiment came to an end."""


def main() -> None:
    """Queues, waits, shows and applies; raises where no experiment came to an end."""
    asked = _parser().parse_args()
    how = _search(asked)
    with console.step("compose every point of the search"):
        plan = composed(how.overrides)
    with console.step("look at what is committed"):
        refuse_changes()
        committed, known = dvc_queue.show()
        _ready_mlflow()
    names, waiting = sorted_out(plan, committed, known)
    if not names and not waiting:
        raise SweepImpossible(f"A sweep needs a point that is not committed; {', '.join(*plan)} is. Give it more values.")
    console.say(f"{len(plan)} points: {len(waiting)} to run, {len(names)} with an experiment, the rest is what is committed")
    with _stoppable(names):
        _queue(waiting, names)
        found = _finished(names, how)
    _report(plan, committed, found, how, apply=not asked.no_apply)


def composed(overrides: Sequence[str]) -> Plan:
    """The parameters of each point, the first of equals alone.

    Raises ParamsInvalid where one of them does not compose, before any is run.
    """
    plan: Plan = {}
    for point in grid.points(overrides):
        values = dict(leaves(compose.compose(overrides=point)))
        if values not in plan.values():
            plan[point] = values
    return plan


def refuse_changes() -> None:
    """Raises SweepImpossible, or ParamsStale, unless the working tree is what is committed and reproduced."""
    if changed := git.uncommitted():
        raise SweepImpossible(
            f"A sweep starts from a commit; {', '.join(changed[:3])}{' and more' if changed[3:] else ''} changed since. "
            "Commit that, or put it away with `git stash`."
        )
    compose.check(load_mapping(PARAMS), compose.compose())
    if stages := dvc_status.changed_stages():
        raise SweepImpossible(
            f"A sweep compares with what is committed; of {', '.join(stages)}, data/ does not hold what this commit gives. "
            "Type `make repro` (or `dvc pull`), and commit what changes."
        )


def sorted_out(plan: Plan, committed: Trial, known: Sequence[Trial]) -> tuple[list[str], list[Point]]:
    """The names of experiments that points already have, and the points that are still to run.

    One that failed, or ran with other code than what is committed, runs again. The point that is committed never runs:
    DVC would have nothing to do.
    """
    usable = [one for one in known if one.state != "failed" and one.code in ({}, committed.code)]
    names, waiting = [], []
    for point, values in plan.items():
        same = next((one for one in usable if one.params == values), None)
        if same:
            names.append(same.name)
        elif values != committed.params:
            waiting.append(point)
    return names, waiting


def next_steps(point: Point, committed: Trial, chosen: Trial) -> str:
    """What to type after the experiment of a point was applied: what goes into conf/, or the way back."""
    groups = conf_edits.choices(load_mapping(Path(conf_edits.DEFAULTS)))
    kept = (f"    {line}" for line in conf_edits.lines(point, groups, committed.params, chosen.params))
    keep = f"{chosen.name} is applied to the working tree. To keep it, write into conf/"
    back = (
        "  then type `make params` and `git commit --all`. To go back: `git restore --staged --worktree . && dvc checkout`."
    )
    return "\n".join([keep, *kept, back])


def _search(asked: argparse.Namespace) -> SweepSettings:
    found = sweep_settings.read(load_mapping(Path(sweep_settings.FILE)))
    return replace(found, overrides=tuple(asked.overrides) or found.overrides, metric=asked.metric or found.metric)


def _ready_mlflow() -> None:
    try:
        mlflow_runs.store()
    except Exception as error:  # whatever MLflow raises, experiments run without it
        console.warn(f"MLflow cannot be reached ({first_line(error)}).")


def _queue(waiting: Sequence[Point], names: list[str]) -> None:
    """Queues the points, and adds the name of each to ``names`` as soon as it has one."""
    if not waiting:
        return
    with console.step(f"queue {len(waiting)} experiments", len(waiting)) as advance:
        for point in waiting:
            with dvc_queue.undisturbed():
                names.append(dvc_queue.put(point))
            advance()


def _finished(names: Sequence[str], how: SweepSettings) -> list[Trial]:
    """The experiments of these names when none of them waits or runs any more."""
    with console.step(f"run {len(names)} experiments, {how.at_once} at a time", len(names)) as advance:
        known = _of(names)
        if any(one.state in trials.WAITING for one in known):
            dvc_queue.start(how.at_once)
            known = _awaited(names, how.at_once, advance)
    for one in known:
        if one.state == "failed":
            console.warn(f"{one.name} failed; `dvc queue logs {one.name}` says why.")
    if lost := set(names) - {one.name for one in known}:
        console.warn(f"{', '.join(sorted(lost))}: somebody took them out of the queue.")
    return known


def _awaited(names: Sequence[str], at_once: int, advance: Callable[[], None]) -> list[Trial]:
    """Asks DVC until nothing waits, twice in a row: between the queue and its end an experiment is briefly nowhere."""
    told: set[str] = set()
    quiet = polls = 0
    crew = WorkerPool(at_once)
    while True:
        known = _of(names)
        for one in known:
            if one.state not in trials.WAITING and one.name not in told:
                told.add(one.name)
                advance()
        quiet = 0 if any(one.state in trials.WAITING for one in known) else quiet + 1
        if quiet == 2 or (quiet and len(told) == len(names)):
            return known
        polls += 1
        if not quiet and polls % POLLS_A_LOOK == 0:
            crew.look(known)
        time.sleep(POLL_SECONDS)


def _of(names: Sequence[str]) -> list[Trial]:
    _, known = dvc_queue.show()
    return [one for one in known if one.name in names]


def _report(plan: Plan, committed: Trial, found: Sequence[Trial], how: SweepSettings, *, apply: bool) -> None:
    ended = [one for one in found if one.state == "success"]
    if not ended:
        raise SweepFailed("At least one experiment should come to an end; none did. `dvc queue logs NAME` says why.")
    if not any(one.has(how.metric) for one in ended):
        raise SweepFailed(
            f"An experiment should have {how.metric} in {trials.VALIDATION}; none has. Choose by another with --metric."
        )
    rivals = trials.rivals(committed, ended)
    chosen = trials.best(rivals, how.metric)
    listing.show(committed, ended, how.metric, chosen=chosen)
    if committed not in rivals and len(rivals) < len(ended):
        raise SweepFailed(
            "A sweep chooses among experiments that answer one question; these answer several, none of them that of what is "
            "committed. `dvc exp apply NAME` takes one."
        )
    if chosen is None or chosen is committed:
        console.say(f"No experiment has a better {how.metric} in validation than what is committed: nothing to apply.")
    elif apply:
        dvc_queue.apply(chosen.rev)
        point = next(point for point, values in plan.items() if values == chosen.params)
        console.say(next_steps(point, committed, chosen))
    else:
        console.say(f"The best in validation is {chosen.name}: `dvc exp apply {chosen.name}` takes it.")


@contextmanager
def _stoppable(names: Sequence[str]) -> Iterator[None]:
    """Ends the experiments of these names and the workers when somebody stops the block. Raises SweepStopped."""
    before = {number: signal.signal(number, _raise) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # also for the commands that clean up
        with console.step("stop the experiments that run"):
            dvc_queue.stop(names)
        done = sum(one.state == "success" for one in _of(names))
        raise SweepStopped(
            f"Stopped before the end: {done} of {len(names)} experiments are done and stay. "
            "`make sweep` goes on with the others; `make experiments` shows what there is."
        ) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.experiments.sweep", description="Search over conf/ and apply the best."
    )
    parser.add_argument("overrides", nargs="*", help=f"what to try, in place of the overrides in {sweep_settings.FILE}")
    parser.add_argument(
        "--metric", choices=get_args(Metric), help=f"the one to choose by (default: that of {sweep_settings.FILE})"
    )
    parser.add_argument("--no-apply", action="store_true", help="only show what there is to choose from")
    return parser


if __name__ == "__main__":
    console.run(main)
