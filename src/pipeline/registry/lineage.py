"""The lineage of data/model: the commit, the hashes and the scores that a version is registered with."""

import getpass
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.params_file import PARAMS
from pipeline.config.paths import INTERVALS, LOCK, MODEL, VALIDATION
from pipeline.config.settings import Dataset
from pipeline.files.digests import sha256
from pipeline.modeling import artifact
from pipeline.registry.mlflow_registry import ArtifactsMissing, Registry, Version
from pipeline.support.errors import ModelMissing
from pipeline.tracking import mlflow_runs
from pipeline.versioning import committed, git

QUESTION = "question"  # the tag that holds what a model predicts and how its rows were split
DIGEST = "sha256."  # prefix of the tag of each file's digest
RULE = "A version is registered with the commit that reproduces it"


def file_digests(folder: Path = MODEL) -> dict[str, str]:
    """The sha256 of each file of a model directory, as tags."""
    return {f"{DIGEST}{name}": sha256(folder / name) for name in artifact.file_names(folder)}


def collect_tags(metadata: Mapping[str, Any], data: Dataset) -> dict[str, str]:
    """The tags that a version is registered with. Raises NotCommitted where no commit reproduces this model."""
    return {
        "git_commit": committed.require(RULE, ("train", "evaluate")),
        "dvc_lock": sha256(LOCK),
        "params": sha256(PARAMS),
        QUESTION: question(metadata, data),
        **file_digests(),
        **{f"data.{name}": digest for name, digest in metadata["data"].items()},
        **{f"metric.{name}": f"{value:.6f}" for name, value in mlflow_runs.read_metrics(INTERVALS, VALIDATION).items()},
    }


def question(metadata: Mapping[str, Any], data: Dataset) -> str:
    """What a model predicts and how its rows were split, as JSON: models that share it compare on the same test rows."""
    target = {"name": data.target.name, "positive": data.target.positive}
    question = {"name": metadata["name"], "question": metadata["question"], "target": target, "split": vars(data.split)}
    return json.dumps(question, sort_keys=True, default=str)


def author() -> str:
    """The person who runs the command: git's user.name, or the user of this machine."""
    return git.output("config", "user.name") or getpass.getuser()


def model_digest(tags: Mapping[str, str]) -> str | None:
    """The sha256 of a version's metadata, which names its model; None where the version was registered without."""
    return tags.get(mlflow_runs.MODEL_TAG) or tags.get(f"{DIGEST}{artifact.OLD_METADATA}")


def has_registered_files(registry: Registry, version: Version) -> bool:
    """Whether the store holds the files of a version, with the digests that it was registered with."""
    try:
        refuse_altered(registry, version)
    except (ArtifactsMissing, ModelMissing):
        return False
    return True


def refuse_altered(registry: Registry, version: Version) -> None:
    """Downloads the files of a version. Raises ArtifactsMissing, or ModelMissing where they are not those registered."""
    registered = {name: digest for name, digest in version.tags.items() if name.startswith(DIGEST)}
    with tempfile.TemporaryDirectory(prefix="version-") as temporary:
        folder = registry.download(version, Path(temporary))
        if registered and registered != file_digests(folder):
            raise ModelMissing(
                f"Version {version.number} should have the files that it was registered with; the store of {registry.uri} "
                "has others. The champion is unchanged. Restore the registered files there."
            )
        if not registered:
            artifact.read_metadata(folder)
