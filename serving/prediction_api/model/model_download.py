"""Fetches a model from an MLflow registry or a DVC repository, in a process of its own.

The folder ``model`` in the folder that the command names then holds the model and ``origin.json``: the mark that names the
model for its source, the digests that came with it, and its lineage. The exit status is UNCHANGED where the source still has
what the given mark says. A failure is one sentence on standard error, and status 1 or NOTHING_REGISTERED.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from prediction_api.errors import FetchFailed, NothingRegistered
from prediction_api.model import mlflow_rest
from prediction_api.model.artifact import FILES, METADATA, OLD_METADATA, file_names
from service_kit.addresses import without_credentials

FOLDER, ORIGIN = "model", "origin.json"
NOTHING_REGISTERED, UNCHANGED = 3, 4
REGISTERED = re.compile(r"models:/(?P<name>[^@/]+)(?:@(?P<alias>.+)|/(?P<version>.+))")
CHANGE_TAG = "champion."  # prefix of the tags in which `make promote` records each change of the champion, named by its time
MODEL_PATH, METRICS_PATH = "data/model", "data/report/metrics.json"
NICENESS = 10  # the processor belongs to those who answer


def from_registry(uri: str, folder: Path, mark: str | None) -> dict[str, Any] | None:
    """Fetches ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION`` from the registry at MLFLOW_TRACKING_URI."""
    if not (parts := REGISTERED.fullmatch(uri)):
        raise FetchFailed(f"MODEL_URI={uri} should read models:/NAME@ALIAS or models:/NAME/VERSION.")
    name, alias, number = parts.groups()
    client, download = _registry_client(uri)
    if alias and alias not in _aliases(client, name):
        raise NothingRegistered(f"MODEL_URI={uri} should name a version; {name} has no alias {alias}. Promote one.")
    version = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, number)
    version_name = f"{name}/{version.version}"
    if version_name == mark:
        return None
    downloaded = folder / "downloaded"
    downloaded.mkdir()
    download(name, str(version.version), downloaded)
    metadata = next((path for name in (METADATA, OLD_METADATA) for path in sorted(downloaded.rglob(name))), None)
    if metadata is None:
        raise FetchFailed(
            f"Version {version.version} of {name} should hold {', '.join(FILES)}; it holds no {METADATA}. "
            "Register a model directory."
        )
    metadata.parent.rename(folder / FOLDER)
    names = file_names(folder / FOLDER)
    digests = {file: version.tags[f"sha256.{file}"] for file in names if f"sha256.{file}" in version.tags}
    run = client.get_run(version.run_id) if version.run_id else None
    tags = {**(run.data.tags if run else {}), **version.tags}  # the run ended before its commit was made
    lineage = {
        "registered": version_name,
        "git_commit": tags.get("git_commit"),
        "run": version.run_id,
        "sha256_of": "the registry" if digests else "metadata.json alone",
        "dvc": {name: value for name, value in tags.items() if name.startswith("dvc.") or name == "dvc_lock"},
        "metrics": dict(run.data.metrics) if run else {},
        "promotion": _promotion(client.get_registered_model(name).tags, version.version),
    }
    return {"mark": version_name, "sha256": digests, "lineage": lineage}


def from_dvc(uri: str, folder: Path, mark: str | None) -> dict[str, Any] | None:
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
        return None
    model = folder / FOLDER
    files.get(path, str(model), recursive=True)
    for name in file_names(model):
        md5 = files.info(f"{path}/{name}").get("md5")
        if md5 and hashlib.md5((model / name).read_bytes(), usedforsecurity=False).hexdigest() != md5:
            raise FetchFailed(
                f"{name} of {uri} should have the md5 {md5} that dvc.lock names; what arrived has another. Fetch it again."
            )
    lineage: dict[str, Any] = {"git_commit": commit, "dvc": {path: files.info(path).get("md5")}}
    if files.exists(METRICS_PATH):
        lineage["metrics"] = json.loads(files.read_text(METRICS_PATH))
    return {"mark": commit, "sha256": {}, "lineage": lineage}


def _registry_client(uri: str) -> tuple[Any, Callable[[str, str, Path], object]]:
    """A client of the registry, and the function that downloads a version by name and number into a folder.

    MLflow's own client, which takes seconds to load, serves only where the registry is not simply behind HTTP.
    """
    if server := mlflow_rest.server_address():
        client = mlflow_rest.RestClient(server)
        return client, client.download_version
    try:
        import mlflow
        from mlflow import artifacts
    except ImportError as error:
        raise FetchFailed(
            f"MODEL_URI={uri} needs MLflow to fetch from, unless MLFLOW_TRACKING_URI names a server (http:// or https://): "
            "name one, or install MLflow beside this service (`pip install mlflow`)."
        ) from error
    return mlflow.MlflowClient(), lambda name, version, folder: artifacts.download_artifacts(
        artifact_uri=f"models:/{name}/{version}", dst_path=str(folder)
    )


def _aliases(client: Any, name: str) -> dict[str, str]:
    """The version of each alias; none where the registry knows no such model."""
    try:
        return dict(client.get_registered_model(name).aliases)
    except Exception as error:
        if getattr(error, "error_code", "") == mlflow_rest.NOT_FOUND:
            return {}
        raise


def _promotion(tags: Mapping[str, str], version: object) -> dict[str, Any] | None:
    """When, how and why a version last became champion; None where nothing recorded it."""
    for _, value in sorted((item for item in tags.items() if item[0].startswith(CHANGE_TAG)), reverse=True):
        with suppress(ValueError, LookupError, TypeError):  # a tag that somebody else wrote
            change = json.loads(value)
            if str(change["version"]) == str(version):
                return {key: change[key] for key in ("time", "kind", "why")}
    return None


def _repository(uri: str) -> tuple[str, str | None, str]:
    """Repository, revision and folder in a ``dvc://`` URI; the repository is a path or a git URL."""
    parts = urlsplit(uri.removeprefix("dvc://"))
    query = parse_qs(parts.query)
    where = urlunsplit(parts._replace(query="", fragment=""))
    return where or ".", query.get("rev", [None])[0], query.get("path", [MODEL_PATH])[0].strip("/")


def main(uri: str, folder: str, mark: str | None = None) -> None:
    """Fetches, and writes where the model came from."""
    os.nice(NICENESS)
    fetch = from_registry if uri.startswith("models:/") else from_dvc
    try:
        origin = fetch(uri, Path(folder), mark)
    except Exception as error:
        reason = f"MODEL_URI={uri} cannot be fetched: {' '.join(str(error).split()) or type(error).__name__}"
        print(f"error: {without_credentials(str(error) if isinstance(error, FetchFailed) else reason)}", file=sys.stderr)
        sys.exit(NOTHING_REGISTERED if isinstance(error, NothingRegistered) else 1)
    if origin is None:
        sys.exit(UNCHANGED)
    origin["lineage"]["uri"] = without_credentials(uri)
    (Path(folder) / FOLDER / ORIGIN).write_text(json.dumps(origin), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
