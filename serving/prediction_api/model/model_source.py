"""Where the model comes from: a directory, an MLflow registry, or a DVC repository at a revision.

The service reads a directory itself. From a registry or a repository another process fetches (`model_download`), so that
MLflow and DVC are never loaded where predictions are answered.
"""

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prediction_api.errors import FetchFailed, NothingRegistered
from prediction_api.logs import LOGGER
from prediction_api.model import artifact, model_cache
from prediction_api.model.artifact import ModelArtifact

REMOTE = re.compile(r"(models:/|dvc://).+")
CREDENTIALS = re.compile(r"//[^/@\s]+@")
GIT_SECONDS, ALIAS_SECONDS = 5, 5
ALIAS = re.compile(r"models:/(?P<name>[^@/]+)@(?P<alias>.+)")
ALIAS_PATH = "/api/2.0/mlflow/registered-models/alias"  # of MLflow's REST API
NO_SUCH_ALIAS = "RESOURCE_DOES_NOT_EXIST"
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
        self.shown = _without_credentials(uri)

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
            raise FetchFailed(
                f"MODEL_URI={self.shown} is fetched into a temporary folder; {error}. Make room in /tmp, or set TMPDIR."
            ) from error

    async def fetch_first(self) -> tuple[FetchedModel, FetchFailed | None]:
        """A model to begin with; while its source is unavailable the cached one or the fallback, with the reason.

        Raises InvalidModel, or FetchFailed where there is no other.
        """
        try:
            fetched, failure = await self.fetch(), None
        except FetchFailed as error:
            if not self._is_remote:
                raise
            fetched, failure = await asyncio.to_thread(self._read_substitute), error
            if fetched is None:
                raise
        assert fetched is not None  # noqa: S101 (without a mark there is nothing to be unchanged from)
        return fetched, failure

    def _read_substitute(self) -> FetchedModel | None:
        cached = model_cache.read(self._cache) if self._cache else None
        if cached and cached[2].get("uri") == self.shown:
            return FetchedModel(*cached)
        return self._read_directory(self._fallback, None) if self._fallback else None

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
        lineage = {"uri": _without_credentials(uri), "git_commit": git_commit or _git_commit(folder)}
        return FetchedModel(model, model.metadata_sha256, lineage)

    async def _fetch_remote(self, mark: str | None) -> FetchedModel | None:
        version, name = await self._alias_version(), self.uri.removeprefix("models:/").partition("@")[0]
        if version == "":
            raise NothingRegistered(f"MODEL_URI={self.shown} should name a version; the registry has none. Promote one.")
        if version and mark == f"{name}/{version}":
            return None
        with tempfile.TemporaryDirectory(prefix="model-") as temporary:
            answer = await self._download(temporary, mark)
            if "nothing" in answer:
                raise NothingRegistered(answer["nothing"])
            if answer["folder"] is None:
                return None
            folder, lineage = Path(answer["folder"]), {"uri": self.shown, **answer["lineage"]}
            fetched = FetchedModel(await asyncio.to_thread(artifact.read, folder, answer["sha256"]), answer["mark"], lineage)
            await asyncio.to_thread(self._write_cache, folder, fetched)
            return fetched

    def _write_cache(self, folder: Path, fetched: FetchedModel) -> None:
        try:
            if self._cache:
                model_cache.write(self._cache, folder, fetched.mark, fetched.lineage)
        except OSError as error:
            logger.warning("the model is not cached for a start without its source", extra={"reason": str(error)})

    async def _alias_version(self) -> str | None:
        """The version that a registry over HTTP gives to the alias, "" where it has none; loading MLflow takes seconds.

        None where this request does not say, as for a registry that wants a password: then the download says.
        """
        alias, server = ALIAS.fullmatch(self.uri), os.environ.get("MLFLOW_TRACKING_URI", "")
        if not (alias and server.startswith(("http://", "https://"))):
            return None
        import httpx  # takes time and memory that not everyone needs

        try:
            async with httpx.AsyncClient(timeout=ALIAS_SECONDS) as client:
                response = await client.get(server.rstrip("/") + ALIAS_PATH, params=alias.groupdict())
            answer = response.json()
            return "" if answer.get("error_code") == NO_SUCH_ALIAS else str(answer["model_version"]["version"])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError, AttributeError):
            return None

    async def _download(self, folder: str, mark: str | None) -> dict[str, Any]:
        """What `model_download` prints; it ends with its children where it takes too long or is cancelled."""
        command = [sys.executable, "-m", "prediction_api.model.model_download", self.uri, folder, *([mark] if mark else [])]
        packages = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))}
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), self._seconds)
        except TimeoutError as error:
            raise FetchFailed(
                f"MODEL_URI={self.shown} should be fetched within {self._seconds:g} seconds (MODEL_FETCH_SECONDS); "
                "it was not."
            ) from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode != 0:
            raise FetchFailed(_without_credentials(self._reason(errors, process.returncode)))
        try:
            answer: dict[str, Any] = json.loads(output.splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise FetchFailed(f"MODEL_URI={self.shown} was fetched without an answer. Try again.") from error
        return answer

    def _reason(self, errors: bytes, status: int | None) -> str:
        last_line = (errors.decode(errors="replace").strip().splitlines() or [""])[-1]
        if last_line.startswith("error: "):
            return last_line.removeprefix("error: ")
        ended = f"the process ended with status {status} {last_line}".strip()
        return f"MODEL_URI={self.uri} cannot be fetched: {ended}"


def _without_credentials(text: str) -> str:
    """A private repository's address may hold a password."""
    return CREDENTIALS.sub("//", text)


def _git_commit(folder: Path) -> str | None:
    """The commit of the repository around the folder, where there is one and git is installed."""
    try:
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        return (
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS).stdout.strip() or None
        )
    except (OSError, subprocess.SubprocessError):
        return None
