"""What two dvc.lock files say differently, down to the file inside an output that is a folder."""

import json
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

import yaml


def differences(committed: str, actual: str, caches: list[Path]) -> Iterator[str]:
    """The outputs whose hash differs, in the order of the pipeline: the first one is the cause, or near it.

    ``committed`` and ``actual`` are the texts of two dvc.lock files; ``caches`` are searched for what folders hold.
    """
    if actual == committed:
        return
    before, after = _outputs(committed), _outputs(actual)
    changed = [key for key in after | before if before.get(key) != after.get(key)]
    for stage, path in changed:
        old, new = before.get((stage, path), "nothing"), after.get((stage, path), "nothing")
        yield f"{stage}: {path} is {new}, committed is {old}{_inside(old, new, caches)}"
    if not changed:
        lines = unified_diff(committed.splitlines(), actual.splitlines(), "committed", "found", n=1, lineterm="")
        yield "\n".join(["dvc.lock differs, and no output does:", *lines])


def _outputs(lock: str) -> dict[tuple[str, str], str]:
    """The md5 of each output by stage and path."""
    stages: dict[str, Any] = yaml.safe_load(lock)["stages"]
    return {(name, out["path"]): out["md5"] for name, stage in stages.items() for out in stage.get("outs", [])}


def _inside(old: str, new: str, caches: list[Path]) -> str:
    before, after = _listing(old, caches), _listing(new, caches)
    if before is None or after is None:
        return ""
    return ": " + ", ".join(sorted(name for name in before | after if before.get(name) != after.get(name)))


def _listing(md5: str, caches: list[Path]) -> dict[str, str] | None:
    """The md5 of each file in a folder, from the first cache that knows the folder; None for a single file."""
    for cache in caches:
        path = cache / "files/md5" / md5[:2] / md5[2:]
        if md5.endswith(".dir") and path.is_file():
            return {one["relpath"]: one["md5"] for one in json.loads(path.read_text())}
    return None
