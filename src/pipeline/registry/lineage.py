"""What data/model came from: the commit, the hashes and the scores that a version of it is registered with."""

import getpass
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.params_file import PARAMS
from pipeline.config.paths import LOCK, METRICS, MODEL, VALIDATION
from pipeline.config.settings import Dataset
from pipeline.files.digests import sha256
from pipeline.modeling import artifact
from pipeline.registry.mlflow_registry import ArtifactsMissing, Registry, Version
from pipeline.support.errors import ModelMissing, OntimeError
from pipeline.tracking import mlflow_runs
from pipeline.versioning import dvc_status, git

QUESTION = "question"  # the tag that says what a model answers, and on which rows it may be tested
DIGEST = "sha256."  # begins the tag of each file's digest


class NotCommitted(OntimeError):
    """What stands in data/ is not what a commit gives."""


def digests(folder: Path = MODEL) -> dict[str, str]:
    """The sha256 of each file of a model directory, as tags."""
    return {f"{DIGEST}{name}": sha256(folder / name) for name in artifact.file_names(folder)}


def tags(metadata: Mapping[str, Any], data: Dataset) -> dict[str, str]:
    """All that a version is registered with. Raises NotCommitted where no commit gives this model."""
    _refuse_untracked()
    _refuse_stale()
    scores = {f"metric.{name}": f"{value:.6f}" for name, value in mlflow_runs.measured(METRICS, VALIDATION).items()}
    return {
        "git_commit": commit(),
        "dvc_lock": sha256(LOCK),
        "params": sha256(PARAMS),
        QUESTION: question(metadata, data),
        **digests(),
        **{f"data.{name}": digest for name, digest in metadata["data"].items()},
        **scores,
    }


def question(metadata: Mapping[str, Any], data: Dataset) -> str:
    """What a model answers and how its rows were split: models that share it can be scored on the same test rows."""
    target = {"name": data.target.name, "positive": data.target.positive}
    whole = {"name": metadata["name"], "question": metadata["question"], "target": target, "split": vars(data.split)}
    return json.dumps(whole, sort_keys=True, default=str)


def commit() -> str:
    """The commit that is checked out. Raises NotCommitted where there is none, or files have changed since."""
    found = _git("rev-parse", "HEAD")
    if changed := git.uncommitted():
        raise NotCommitted(
            f"A version is registered with the commit that gives it; {len(changed)} files have changed since "
            f"{found[:9]}, such as {changed[0]}. Commit them, or `git stash` and `dvc checkout`."
        )
    return found


def author() -> str:
    """Who does this: git's user.name, or the user of this machine."""
    return git.answer("config", "user.name") or getpass.getuser()


def model_digest(tags: Mapping[str, str]) -> str | None:
    """The sha256 of a version's metadata, which names its model; None where the version was registered without."""
    return tags.get(mlflow_runs.MODEL_TAG) or tags.get(f"{DIGEST}{artifact.OLD_METADATA}")


def is_whole(registry: Registry, version: Version) -> bool:
    """Whether the files of a version are there, as it was registered with them."""
    try:
        refuse_altered(registry, version)
    except (ArtifactsMissing, ModelMissing):
        return False
    return True


def refuse_altered(registry: Registry, version: Version) -> None:
    """Fetches the files of a version. Raises ModelMissing where it was registered with others, and ArtifactsMissing."""
    known = {name: digest for name, digest in version.tags.items() if name.startswith(DIGEST)}
    with tempfile.TemporaryDirectory(prefix="version-") as place:
        folder = registry.download(version, Path(place))
        if known and known != digests(folder):
            raise ModelMissing(
                f"Version {version.number} should have the files that it was registered with; the store of {registry.uri} "
                "has others. Nothing was moved. Bring those back there."
            )
        if not known:
            artifact.read_metadata(folder)


def _refuse_untracked() -> None:
    """Raises NotCommitted where a stage reads a file that no commit holds or names: nobody else could make this model."""
    stages = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"].values()
    made = {out["path"] for stage in stages for out in stage.get("outs", [])}
    read = sorted({dep["path"] for stage in stages for dep in stage.get("deps", [])} - made)
    if outside := [path for path in read if Path(path).is_absolute() or ".." in Path(path).parts]:
        raise NotCommitted(
            f"A version is registered with the commit that gives it; {', '.join(outside[:3])} is outside this repository. "
            "Put it into data/, and add and commit it, or what `dvc add` makes of it."
        )
    new = _git("ls-files", "--others", "--exclude-standard", "--", "conf", "src", *read).splitlines()
    if new := [*new, *(path for path in read if not _named(Path(path)))]:
        raise NotCommitted(
            f"A version is registered with the commit that gives it; {', '.join(new[:3])} is in none. "
            "Add and commit it, or, where it is large, what `dvc add` makes of it."
        )


def _named(path: Path) -> bool:
    """Whether a commit holds a file, or the .dvc file that holds its digest, or that of a folder above it."""
    of_dvc = (f"{one}.dvc" for one in (path, *path.parents) if one.name)
    return bool(_git("ls-files", "--", str(path), *of_dvc))


def _refuse_stale() -> None:
    changed = dvc_status.changed_stages()
    if stale := dvc_status.stale_reasons(changed):
        raise NotCommitted(
            f"data/ should be what this commit gives; changed since it was made: {'; '.join(stale[:3])}. "
            "Type `make repro`, and commit what changes."
        )
    if lacking := [name for name in ("train", "evaluate") if name in changed]:
        raise NotCommitted(
            f"data/ should hold what dvc.lock names; {', '.join(lacking)} would run again or lack their outputs. "
            "Type `dvc checkout` if the commit is right, or `make repro` and commit."
        )


def _git(*words: str) -> str:
    done = git.ask(*words)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotCommitted(
            f"A version is registered with its commit; git gives none ({said}). Commit this repository with git."
        )
    return done.stdout.strip()
