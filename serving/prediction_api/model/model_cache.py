"""The last model that was fetched from a registry or repository, on disk for a start while that is unavailable."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prediction_api.errors import InvalidModel
from prediction_api.model import artifact
from prediction_api.model.artifact import ModelArtifact

ORIGIN = "origin.json"


def write(folder: Path, model_folder: Path, mark: str, lineage: Mapping[str, Any]) -> None:
    """Copies a model directory into ``folder``, with its mark and its lineage. Raises OSError where the disk refuses."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))  # replicas may share the folder
    try:
        for name in artifact.file_names(model_folder):
            shutil.copyfile(model_folder / name, new / name)
        (new / ORIGIN).write_text(json.dumps({"mark": mark, "lineage": dict(lineage)}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if read(folder) is None:  # another replica was not quicker
            raise


def read(folder: Path) -> tuple[ModelArtifact, str, dict[str, Any]] | None:
    """The cached model, its mark and its lineage; None where there is no whole one."""
    with suppress(OSError, ValueError, KeyError, InvalidModel):
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        return artifact.read(folder), origin["mark"], origin["lineage"]
    return None
