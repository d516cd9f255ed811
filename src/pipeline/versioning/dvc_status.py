"""Whether the results in data/ are those of the present code and settings, by `dvc status`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.paths import MODEL, PAGE, PROCESSED, RAW
from pipeline.versioning import dvc

NOT_IN_GIT = {str(path) for path in (RAW, PROCESSED, MODEL, PAGE)}
Changed = Mapping[str, Sequence[str]]


def changed_stages() -> dict[str, list[str]]:
    """The stages that would run or lack an output, each with the paths and full keys that are not those of dvc.lock.

    Raises DvcFailed where DVC cannot tell, as while another command of DVC runs.
    """
    status = json.loads(dvc.run("status", "--json") or "{}")
    return {stage: list(dict.fromkeys(_changed_names(reasons))) for stage, reasons in status.items()}


def stale_reasons(changed: Changed) -> list[str]:
    """The stages whose code, settings or results are no longer those of dvc.lock, each with what changed.

    Outputs that were not checked out here make no result stale.
    """
    in_git = {stage: [name for name in names if name not in NOT_IN_GIT] for stage, names in changed.items()}
    return [f"{stage}: {', '.join(names)}" for stage, names in in_git.items() if names]


def _changed_names(reasons: Sequence[Any]) -> Iterator[str]:
    """The paths and full keys in the status of a stage; texts such as "changed command" unchanged."""
    for reason in reasons:
        for text, changes in reason.items() if isinstance(reason, Mapping) else [(reason, {})]:
            if not changes:
                yield text
            for path, change in changes.items():
                if isinstance(change, Mapping):  # of a params file: the change of each key
                    yield from change
                else:
                    yield path
