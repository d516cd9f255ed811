"""The lineage of data/model: the commit, the hashes and the scores that a version is registered with."""

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

QUESTION = "question"  # the tag that holds what a model predicts and how its rows were split
DIGEST = "sha256."  # prefix of the tag of each file's digest


class NotCommitted(OntimeError):
    """The content of data/ is not what a commit reproduces."""


def file_digests(folder: Path = MODEL) -> dict[str, str]:
    """The sha256 of each file of a model directory, as tags."""
    return {f"{DIGEST}{name}": sha256(folder / name) for name in artifact.file_names(folder)}


def collect_tags(metadata: Mapping[str, Any], data: Dataset) -> dict[str, str]:
    """The tags that a version is registered with. Raises NotCommitted where no commit reproduces this model."""
    _refuse_untracked()
    _refuse_stale()
    scores = {f"metric.{name}": f"{value:.6f}" for name, value in mlflow_runs.read_metrics(METRICS, VALIDATION).items()}
    return {
        "git_commit": current_commit(),
        "dvc_lock": sha256(LOCK),
        "params": sha256(PARAMS),
        QUESTION: question(metadata, data),
        **file_digests(),
        **{f"data.{name}": digest for name, digest in metadata["data"].items()},
        **scores,
    }


def question(metadata: Mapping[str, Any], data: Dataset) -> str:
    """What a model predicts and how its rows were split, as JSON: models that share it compare on the same test rows."""
    target = {"name": data.target.name, "positive": data.target.positive}
    question = {"name": metadata["name"], "question": metadata["question"], "target": target, "split": vars(data.split)}
    return json.dumps(question, sort_keys=True, default=str)


def current_commit() -> str:
    """The commit that is checked out. Raises NotCommitted where there is none, or tracked files differ from it."""
    commit = _git("rev-parse", "HEAD")
    if changed := git.changed_files():
        raise NotCommitted(
            f"A version is registered with the commit that reproduces it; {len(changed)} files have changed since "
            f"{commit[:9]}, such as {changed[0]}. Commit them, or `git stash` and `dvc checkout`."
        )
    return commit


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


def _refuse_untracked() -> None:
    """Raises NotCommitted where a stage reads a file that no commit holds or names, so that nobody else could reproduce."""
    stages = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"].values()
    outputs = {out["path"] for stage in stages for out in stage.get("outs", [])}
    read = sorted({dep["path"] for stage in stages for dep in stage.get("deps", [])} - outputs)
    if outside := [path for path in read if Path(path).is_absolute() or ".." in Path(path).parts]:
        raise NotCommitted(
            f"A version is registered with the commit that reproduces it; {', '.join(outside[:3])} is outside this "
            "repository. Put it into data/, and add and commit it, or the .dvc file that `dvc add` writes."
        )
    new = _git("ls-files", "--others", "--exclude-standard", "--", "conf", "src", *read).splitlines()
    if new := [*new, *(path for path in read if not _is_tracked(Path(path)))]:
        raise NotCommitted(
            f"A version is registered with the commit that reproduces it; {', '.join(new[:3])} is in none. "
            "Add and commit it, or, where it is large, the .dvc file that `dvc add` writes."
        )


def _is_tracked(path: Path) -> bool:
    """Whether git tracks a file, or the .dvc file of it or of a folder that contains it."""
    dvc_files = (f"{part}.dvc" for part in (path, *path.parents) if part.name)
    return bool(_git("ls-files", "--", str(path), *dvc_files))


def _refuse_stale() -> None:
    changed = dvc_status.changed_stages()
    if stale := dvc_status.stale_reasons(changed):
        raise NotCommitted(
            f"data/ should be what this commit reproduces; changed since: {'; '.join(stale[:3])}. "
            "Type `make repro`, and commit what changes."
        )
    if incomplete := [name for name in ("train", "evaluate") if name in changed]:
        raise NotCommitted(
            f"data/ should hold the outputs in dvc.lock; {', '.join(incomplete)} would run again or lack their outputs. "
            "Type `dvc checkout` if the commit is right, or `make repro` and commit."
        )


def _git(*arguments: str) -> str:
    done = git.run(*arguments)
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotCommitted(
            f"A version is registered with its commit; git gives none ({last_line}). Commit this repository with git."
        )
    return done.stdout.strip()
