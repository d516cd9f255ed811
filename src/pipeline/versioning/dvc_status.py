"""Asks DVC whether what stands in data/ is what this code and these settings give."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.paths import MODEL, PAGE, PROCESSED, RAW
from pipeline.versioning import dvc

NOT_IN_GIT = {str(path) for path in (RAW, PROCESSED, MODEL, PAGE)}
Changed = Mapping[str, Sequence[str]]


def changed_stages() -> dict[str, list[str]]:
    """The stages that would run or lack an output, each with the paths and full keys that are not those of dvc.lock.

    Raises DvcFailed where DVC cannot say, as while it runs.
    """
    found = json.loads(dvc.run("status", "--json") or "{}")
    return {stage: list(dict.fromkeys(_named(reasons))) for stage, reasons in found.items()}


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
