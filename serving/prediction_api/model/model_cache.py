"""The last model that came from elsewhere, kept on disk for a start while its source is away."""

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


def keep(folder: Path, arrived: Path, mark: str, lineage: Mapping[str, Any]) -> None:
    """Copies a model directory into ``folder``, with what its source says of it. Raises OSError where the disk refuses."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))  # replicas may share the folder
    try:
        for name in artifact.file_names(arrived):
            shutil.copyfile(arrived / name, new / name)
        (new / ORIGIN).write_text(json.dumps({"mark": mark, "lineage": dict(lineage)}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if read(folder) is None:  # else another replica was quicker
            raise


def read(folder: Path) -> tuple[ModelArtifact, str, dict[str, Any]] | None:
    """The kept model, its mark and its lineage; None where none is kept whole."""
    with suppress(OSError, ValueError, KeyError, InvalidModel):
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        return artifact.read(folder), origin["mark"], origin["lineage"]
    return None
