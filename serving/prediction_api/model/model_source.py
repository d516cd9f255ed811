"""Where the model comes from: a directory, an MLflow registry, or a DVC repository at a revision.

The service reads a directory itself. From a registry or a repository another process fetches (`model_download`), so that
MLflow and DVC are never loaded where predictions are answered.
"""

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from prediction_api.errors import FetchFailed, InvalidModel, NothingRegistered
from prediction_api.logs import LOGGER
from prediction_api.model import artifact, mlflow_rest, model_download
from prediction_api.model.artifact import ModelArtifact
from prediction_api.model.model_download import FOLDER, NOTHING_REGISTERED, ORIGIN, REGISTERED, UNCHANGED
from service_kit.addresses import without_credentials

REMOTE = re.compile(r"(models:/|dvc://).+")
GIT_SECONDS, ALIAS_SECONDS = 5, 5
logger = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class FetchedModel:
    """A checked model with its lineage; ``mark`` names it for its source: NAME/VERSION, a commit, or a digest."""

    artifact: ModelArtifact
    mark: str
    lineage: dict[str, Any]


class ModelSource:
    """The place that MODEL_URI names.

    ``fallback`` is a directory whose model answers while a registry has no such version. ``cache`` is a folder for the last
    model that was fetched, for a start while its source is unavailable.
    """

    def __init__(
        self,
        uri: str,
        seconds: float = 300.0,
        git_commit: str | None = None,
        fallback: str | None = None,
        cache: Path | None = None,
    ) -> None:
        self.uri, self._seconds, self._git_commit = uri, seconds, git_commit
        self._fallback, self._cache = fallback, cache
        self._is_remote = REMOTE.fullmatch(uri) is not None
        self.shown = without_credentials(uri)

    async def fetch(self, mark: str | None = None) -> FetchedModel | None:
        """The model that is there now, or None where it still is the one of ``mark``.

        Raises InvalidModel where what arrived is not a whole model, FetchFailed where nothing arrived.
        """
        if not self._is_remote:
            return await asyncio.to_thread(self._read_directory, self.uri, mark)
        try:
            return await self._fetch_remote(mark)
        except NothingRegistered:
            if self._fallback is None or (mark and "/" in mark):  # NAME/VERSION: a version that was promoted already answers
                raise
            return await asyncio.to_thread(self._read_directory, self._fallback, mark)
        except OSError as error:
            raise FetchFailed(f"MODEL_URI={self.shown} should be fetched into a temporary folder; {error}.") from error

    async def fetch_first(self) -> tuple[FetchedModel, FetchFailed | None]:
        """A model to begin with; while its source is unavailable the cached one or the fallback, with the reason.

        Raises InvalidModel, or FetchFailed where there is no other.
        """
        try:
            fetched, failure = await self.fetch(), None
        except FetchFailed as error:
            fetched, failure = await asyncio.to_thread(self._read_substitute), error
        if fetched is None:
            raise failure or FetchFailed(f"MODEL_URI={self.shown} has no model. Try again.")
        return fetched, failure

    def _read_substitute(self) -> FetchedModel | None:
        with suppress(OSError, ValueError, LookupError, InvalidModel):
            cached = _read_fetched(self._cache) if self._is_remote and self._cache else None
            if cached and cached.lineage["uri"] == self.shown:
                return cached
        return self._read_directory(self._fallback, None) if self._is_remote and self._fallback else None

    def _read_directory(self, uri: str, mark: str | None) -> FetchedModel | None:
        place = uri.removeprefix("file://")
        if "://" in place:
            raise FetchFailed(
                f"MODEL_URI={self.shown} should be a directory, models:/NAME@ALIAS, or dvc://PATH-OR-URL?rev=REV."
            )
        folder = Path(place)
        model = artifact.read(folder)
        if model.metadata_sha256 == mark:
            return None
        git_commit = self._git_commit if uri == self.uri else None  # GIT_COMMIT is about MODEL_URI, not about a fallback
        lineage = {"uri": without_credentials(uri), "git_commit": git_commit or _git_commit(folder)}
        return FetchedModel(model, model.metadata_sha256, lineage)

    async def _fetch_remote(self, mark: str | None) -> FetchedModel | None:
        version_name = await self._version_of_alias()
        if version_name == "":
            raise NothingRegistered(f"MODEL_URI={self.shown} should name a version; the registry has none. Promote one.")
        if version_name and version_name == mark:
            return None
        with tempfile.TemporaryDirectory(prefix="model-", dir=self._cache and self._cache.parent) as temporary:
            if not await self._download(temporary, mark):
                return None
            folder = Path(temporary) / FOLDER
            fetched = await asyncio.to_thread(_read_fetched, folder)
            await asyncio.to_thread(self._write_cache, folder)
            return fetched

    def _write_cache(self, folder: Path) -> None:
        if self._cache is None:
            return
        try:
            shutil.rmtree(self._cache, ignore_errors=True)
            folder.rename(self._cache)
        except OSError as error:
            if not (self._cache / ORIGIN).exists():  # another replica was not quicker
                logger.warning("the model is not cached for a start without its source", extra={"reason": str(error)})

    async def _version_of_alias(self) -> str | None:
        """The version that a registry over HTTP gives to the alias, "" where it has none; without a process of its own.

        None where this request does not say: then the download says.
        """
        parts, server = REGISTERED.fullmatch(self.uri), mlflow_rest.server_address()
        if not (server and parts and parts["alias"]):
            return None
        try:
            async with httpx.AsyncClient(**mlflow_rest.connection(server, ALIAS_SECONDS)) as client:
                query = {"name": parts["name"], "alias": parts["alias"]}
                answer = (await client.get(mlflow_rest.ALIAS, params=query)).json()
            return (
                ""
                if answer.get("error_code") == mlflow_rest.NOT_FOUND
                else f"{parts['name']}/{answer['model_version']['version']}"
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    async def _download(self, folder: str, mark: str | None) -> bool:
        """Runs `model_download`, and ends it with its children where it takes too long; False where nothing is new."""
        command = [sys.executable, "-m", model_download.__name__, self.uri, folder, *([mark] if mark else [])]
        packages = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))}
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )
        try:
            _, errors = await asyncio.wait_for(process.communicate(), self._seconds)
        except TimeoutError as error:
            raise FetchFailed(
                f"MODEL_URI={self.shown} should be fetched within {self._seconds:g} seconds (MODEL_FETCH_SECONDS); "
                "it was not."
            ) from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode not in (0, UNCHANGED):
            last_line = (errors.decode(errors="replace").strip().splitlines() or [""])[-1]
            ended = f"the process ended with status {process.returncode} {last_line}".strip()
            reason = last_line if last_line.startswith("error: ") else f"MODEL_URI={self.uri} cannot be fetched: {ended}"
            failure = NothingRegistered if process.returncode == NOTHING_REGISTERED else FetchFailed
            raise failure(without_credentials(reason.removeprefix("error: ")))
        return process.returncode == 0


def _read_fetched(folder: Path) -> FetchedModel:
    """The model in a folder with its origin, as `model_download` leaves it."""
    origin = json.loads((folder / ORIGIN).read_bytes())
    return FetchedModel(artifact.read(folder, origin["sha256"]), origin["mark"], origin["lineage"])


def _git_commit(folder: Path) -> str | None:
    """The commit of the repository around the folder, where there is one and git is installed."""
    try:
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        return (
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS).stdout.strip() or None
        )
    except (OSError, subprocess.SubprocessError):
        return None
