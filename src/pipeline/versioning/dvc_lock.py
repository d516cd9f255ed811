"""What a dvc.lock names: the outputs of the stages with their hashes, and the files that come from outside the pipeline."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from pipeline.config.params_file import load_mapping
from pipeline.config.parsing import parse_settings
from pipeline.config.paths import LOCK


@dataclass(frozen=True)
class File:
    """A file or folder that a stage reads or writes."""

    path: str
    md5: str = ""


@dataclass(frozen=True)
class Stage:
    """What one stage read and wrote."""

    deps: list[File] = field(default_factory=list)
    outs: list[File] = field(default_factory=list)


@dataclass(frozen=True)
class Lock:
    """The stages of a dvc.lock."""

    stages: Mapping[str, Stage] = field(default_factory=dict)

    def outputs(self, running: str = "") -> dict[str, str]:
        """The md5 of each output by its path, without those of the stage ``running``."""
        return {out.path: out.md5 for name, stage in self.stages.items() if name != running for out in stage.outs}

    def inputs(self) -> list[str]:
        """The paths that stages read and no stage writes."""
        return sorted({dep.path for stage in self.stages.values() for dep in stage.deps} - self.outputs().keys())


def read(path: Path = LOCK) -> Lock:
    """The content of a dvc.lock, without stages where there is none. Raises ParamsInvalid."""
    return parse(load_mapping(path, empty_allowed=True) if path.is_file() else {})


def parse(values: Mapping[str, Any]) -> Lock:
    """The typed content of a dvc.lock. Raises ParamsInvalid, which names every faulty key."""
    return parse_settings(Lock, values, file=str(LOCK))
