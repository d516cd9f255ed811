"""What a dvc.lock names: the outputs of the stages with their hashes, and the files that come from outside the pipeline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.paths import LOCK

Lock = Mapping[str, Any]


def read(path: Path = LOCK) -> Lock:
    """The content of a dvc.lock; empty where there is none."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def outputs(lock: Lock, running: str = "") -> dict[str, str]:
    """The md5 of each output by its path, without those of the stage ``running``."""
    stages = [stage for name, stage in lock.get("stages", {}).items() if name != running]
    return {out["path"]: str(out["md5"]) for stage in stages for out in stage.get("outs", ())}


def inputs(lock: Lock) -> list[str]:
    """The paths that stages read and no stage writes."""
    read_paths = {dep["path"] for stage in lock.get("stages", {}).values() for dep in stage.get("deps", ())}
    return sorted(read_paths - outputs(lock).keys())
