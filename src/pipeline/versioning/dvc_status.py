"""Asks DVC whether what stands in data/ is what this code and these settings give."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.paths import MODEL, PAGE, PROCESSED, RAW
from pipeline.support.errors import OntimeError

NOT_IN_GIT = {str(path) for path in (RAW, PROCESSED, MODEL, PAGE)}
Changed = Mapping[str, Sequence[str]]


class DvcStatusUnavailable(OntimeError):
    """DVC cannot say, as while it runs."""


def changed_stages() -> dict[str, list[str]]:
    """The stages that would run or lack an output, each with the paths and full keys that are not those of dvc.lock.

    DVC is asked in a process of its own: its bars would run through the moving line of a step. Raises DvcStatusUnavailable.
    """
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1].rstrip(".")
        raise DvcStatusUnavailable(
            f"`dvc status` should say whether data/ is up to date; it says: {said}. Type it to see, and try again."
        )
    return {stage: list(dict.fromkeys(_named(reasons))) for stage, reasons in json.loads(done.stdout or "{}").items()}


def stale_reasons(found: Changed) -> list[str]:
    """The stages whose code, settings or results are no longer those of dvc.lock, each with what changed.

    Data that nobody checked out here makes no result stale.
    """
    known = {stage: [name for name in names if name not in NOT_IN_GIT] for stage, names in found.items()}
    return [f"{stage}: {', '.join(names)}" for stage, names in known.items() if names]


def _named(reasons: Sequence[Any]) -> Iterator[str]:
    """The paths and full keys in what DVC says of a stage; "changed command" and the like as they stand."""
    for reason in reasons:
        for what, changes in reason.items() if isinstance(reason, Mapping) else [(reason, {})]:
            if not changes:
                yield what
            for path, how in changes.items():
                if isinstance(how, Mapping):  # of a file of settings: how each key changed
                    yield from how
                else:
                    yield path
