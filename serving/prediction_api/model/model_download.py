"""Fetches a model from an MLflow registry or a DVC repository, in a process of its own.

Prints one JSON object: the folder that now holds the model (null where the source still has what MARK says), the digests
that came with it, and where it came from; or why there is nothing yet. A failure is one sentence on standard error and exit
status 1.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from prediction_api.errors import FetchFailed
from prediction_api.model.artifact import FILES, METADATA, OLD_METADATA, file_names

MODEL_PATH, METRICS_PATH = "data/model", "data/report/metrics.json"
NICENESS = 10  # the processor belongs to those who answer


def from_registry(uri: str, folder: Path, mark: str | None) -> dict[str, Any]:
    """Fetches ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION`` from the registry at MLFLOW_TRACKING_URI."""
    try:
        import mlflow
        from mlflow import artifacts
    except ImportError as error:
        raise FetchFailed(
            f"MODEL_URI={uri} needs MLflow to fetch from: install it beside this service (`pip install mlflow`)."
        ) from error
    name, alias, number = _registered(uri)
    client = mlflow.MlflowClient()
    if alias and alias not in _aliases(client, name):
        return {"nothing": f"MODEL_URI={uri} should name a version; {name} has no alias {alias}. Promote one."}
    version = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, number)
    version_name = f"{name}/{version.version}"
    if version_name == mark:
        return {"folder": None}
    arrived = Path(artifacts.download_artifacts(artifact_uri=f"models:/{version_name}", dst_path=str(folder)))
    folder_of_model = next((path.parent for name in (METADATA, OLD_METADATA) for path in sorted(arrived.rglob(name))), None)
    if folder_of_model is None:
        raise FetchFailed(
            f"Version {version.version} of {name} should hold {', '.join(FILES)}; it holds no {METADATA}. "
            "Register a model directory."
        )
    digests = {
        file: version.tags[f"sha256.{file}"] for file in file_names(folder_of_model) if f"sha256.{file}" in version.tags
    }
    run = client.get_run(version.run_id) if version.run_id else None
    tags = {**(run.data.tags if run else {}), **version.tags}  # the run ended before its commit was made
    lineage = {
        "registered": version_name,
        "git_commit": tags.get("git_commit"),
        "run": version.run_id,
        "sha256_of": "the registry" if digests else "metadata.json alone",
        "dvc": {name: value for name, value in tags.items() if name.startswith("dvc.") or name == "dvc_lock"},
        "metrics": dict(run.data.metrics) if run else {},
    }
    return {"folder": str(folder_of_model), "mark": version_name, "sha256": digests, "lineage": lineage}


def from_dvc(uri: str, folder: Path, mark: str | None) -> dict[str, Any]:
    """Fetches ``dvc://PATH-OR-URL?rev=REV&path=data/model`` and holds every file to the digest that DVC knows.

    What DVC remembers between runs is kept in ``folder``: fetches that share it and begin at once now and then fail.
    """
    os.environ["DVC_SITE_CACHE_DIR"] = str(folder / "remembered")
    try:
        from dvc.api import DVCFileSystem
    except ImportError as error:
        raise FetchFailed(
            f"MODEL_URI={uri} needs DVC to fetch from: install it beside this service (`pip install dvc`)."
        ) from error
    repository, rev, path = _repository(uri)
    files = DVCFileSystem(repository, rev=rev)
    commit = files.repo.get_rev()
    if commit == mark:
        return {"folder": None}
    arrived = folder / "model"
    files.get(path, str(arrived), recursive=True)
    for name in file_names(arrived):
        md5 = files.info(f"{path}/{name}").get("md5")
        if md5 and hashlib.md5((arrived / name).read_bytes(), usedforsecurity=False).hexdigest() != md5:
            raise FetchFailed(
                f"{name} of {uri} should have the md5 {md5} that dvc.lock names; what arrived has another. Fetch it again."
            )
    lineage: dict[str, Any] = {"git_commit": commit, "dvc": {path: files.info(path).get("md5")}}
    if files.exists(METRICS_PATH):
        lineage["metrics"] = json.loads(files.read_text(METRICS_PATH))
    return {"folder": str(arrived), "mark": commit, "sha256": {}, "lineage": lineage}


def _aliases(client: Any, name: str) -> dict[str, str]:
    """The version of each alias; none where the registry knows no such model."""
    try:
        return dict(client.get_registered_model(name).aliases)
    except Exception as error:
        if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise


def _registered(uri: str) -> tuple[str, str, str]:
    """Name, alias and version in a ``models:/`` URI; one of the last two is empty."""
    rest = uri.removeprefix("models:/")
    name, at, alias = rest.partition("@")
    name, _, number = (name, "", "") if at else rest.partition("/")
    if not name or not (alias or number):
        raise FetchFailed(f"MODEL_URI={uri} should read models:/NAME@ALIAS or models:/NAME/VERSION.")
    return name, alias, number


def _repository(uri: str) -> tuple[str, str | None, str]:
    """Repository, revision and folder in a ``dvc://`` URI; the repository is a path or a git URL."""
    parts = urlsplit(uri.removeprefix("dvc://"))
    query = parse_qs(parts.query)
    where = urlunsplit(parts._replace(query="", fragment=""))
    return where or ".", query.get("rev", [None])[0], query.get("path", [MODEL_PATH])[0].strip("/")


def main(uri: str, folder: str, mark: str | None = None) -> None:
    """Fetches, and prints what came."""
    os.nice(NICENESS)
    fetch = from_registry if uri.startswith("models:/") else from_dvc
    out, sys.stdout = sys.stdout, sys.stderr  # what the libraries print is no answer
    try:
        answer = fetch(uri, Path(folder), mark)
    except FetchFailed as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        sys.exit(f"error: MODEL_URI={uri} cannot be fetched: {' '.join(str(error).split()) or type(error).__name__}")
    print(json.dumps(answer), file=out)


if __name__ == "__main__":
    main(*sys.argv[1:])
