"""Where the model comes from: a directory, an MLflow registry, or a DVC repository at a revision.

A directory is read here. For the others another process fetches, so that MLflow and DVC are never loaded where predictions
are answered.
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
REGISTERED = "/"  # in the mark of a version: NAME/VERSION
SECRET = re.compile(r"//[^/@\s]+@")
GIT_SECONDS, ASK_SECONDS = 5, 5
ALIAS = re.compile(r"models:/(?P<name>[^@/]+)@(?P<alias>.+)")
ALIAS_PATH = "/api/2.0/mlflow/registered-models/alias"  # of MLflow's REST API
ABSENT = "RESOURCE_DOES_NOT_EXIST"
logger = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class FetchedModel:
    """A checked model, and what its source says of it; ``mark`` tells the source which one this service has."""

    contract: ModelArtifact
    mark: str
    lineage: dict[str, Any]


class Source:
    """A MODEL_URI. ``fetch`` gives what is there now, or None where it still is what ``mark`` says.

    ``fallback`` is a directory for as long as a registry has no such version; ``keep``, a folder for the last that came.
    """

    def __init__(
        self,
        uri: str,
        seconds: float = 300.0,
        git_commit: str | None = None,
        fallback: str | None = None,
        keep: Path | None = None,
    ) -> None:
        self.uri, self._seconds, self._git_commit = uri, seconds, git_commit
        self._fallback, self._keep = fallback, keep
        self.shown = SECRET.sub("//", uri)  # a private repository's address may hold a password

    async def fetch(self, mark: str | None = None) -> FetchedModel | None:
        """Raises InvalidModel where what arrived is not a whole model, FetchFailed where nothing arrived."""
        if REMOTE.fullmatch(self.uri):
            try:
                return await self._fetch_remote(mark)
            except NothingRegistered:
                if self._fallback is None or (mark and REGISTERED in mark):  # what was champion once is no fallback's
                    raise
                return await asyncio.to_thread(self._fetch_directory, self._fallback, mark)
            except OSError as error:
                raise FetchFailed(
                    f"MODEL_URI={self.shown} is fetched into a temporary folder; {error}. Make room in /tmp, or set TMPDIR."
                ) from error
        return await asyncio.to_thread(self._fetch_directory, self.uri, mark)

    async def fetch_first(self) -> tuple[FetchedModel, FetchFailed | None]:
        """A model to begin with, and why it is not the source's own: while that is away, the last one kept, or the fallback.

        Raises InvalidModel, or FetchFailed where there is no other.
        """
        try:
            arrival = await self.fetch()
        except FetchFailed as error:
            if not REMOTE.fullmatch(self.uri):
                raise
            found = await asyncio.to_thread(self._instead)
            if found is None:
                raise
            return found, error
        assert arrival is not None  # noqa: S101 (without a mark there is nothing to be unchanged from)
        return arrival, None

    def _instead(self) -> FetchedModel | None:
        found = model_cache.read(self._keep) if self._keep else None
        if found and found[2].get("uri") == self.shown:
            return FetchedModel(*found)
        return self._fetch_directory(self._fallback, None) if self._fallback else None

    def _fetch_directory(self, uri: str, mark: str | None) -> FetchedModel | None:
        place = uri.removeprefix("file://")
        if "://" in place:
            raise FetchFailed(
                f"MODEL_URI={self.shown} should be a directory, models:/NAME@ALIAS, or dvc://PATH-OR-URL?rev=REV."
            )
        folder = Path(place)
        read = artifact.read(folder)
        if read.metadata_sha256 == mark:
            return None
        told = self._git_commit if uri == self.uri else None  # of a fallback nobody told
        lineage = {"uri": SECRET.sub("//", uri), "git_commit": told or _git_commit(folder)}
        return FetchedModel(read, read.metadata_sha256, lineage)

    async def _fetch_remote(self, mark: str | None) -> FetchedModel | None:
        named, name = await self._named_version(), self.uri.removeprefix("models:/").partition("@")[0]
        if named == "":
            raise NothingRegistered(f"MODEL_URI={self.shown} should name a version; the registry has none. Promote one.")
        if named and mark == f"{name}{REGISTERED}{named}":
            return None
        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            told = await self._told_by_fetching(folder, mark)
            if "nothing" in told:
                raise NothingRegistered(told["nothing"])
            if told["folder"] is None:
                return None
            read = await asyncio.to_thread(artifact.read, Path(told["folder"]), told["sha256"])
            lineage = {"uri": self.shown, **told["lineage"]}
            if self._keep:
                await asyncio.to_thread(self._keep_model, self._keep, Path(told["folder"]), told["mark"], lineage)
            return FetchedModel(read, told["mark"], lineage)

    def _keep_model(self, folder: Path, arrived: Path, mark: str, lineage: dict[str, Any]) -> None:
        try:
            model_cache.keep(folder, arrived, mark, lineage)
        except OSError as error:
            logger.warning("the model is not kept for a start without its source", extra={"reason": str(error)})

    async def _named_version(self) -> str | None:
        """The version that a registry over HTTP gives to the alias, "" where it has none; loading MLflow takes seconds.

        None where it is not sure, as for a registry that wants a password: then the other process asks.
        """
        wanted, server = ALIAS.fullmatch(self.uri), os.environ.get("MLFLOW_TRACKING_URI", "")
        if not (wanted and server.startswith(("http://", "https://"))):
            return None
        import httpx  # takes time and memory that not everyone needs

        try:
            async with httpx.AsyncClient(timeout=ASK_SECONDS) as client:
                answer = await client.get(server.rstrip("/") + ALIAS_PATH, params=wanted.groupdict())
            found = answer.json()
            return "" if found.get("error_code") == ABSENT else str(found["model_version"]["version"])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError, AttributeError):
            return None

    async def _told_by_fetching(self, folder: str, mark: str | None) -> dict[str, Any]:
        command = [sys.executable, "-m", "prediction_api.model.model_download", self.uri, folder, *([mark] if mark else [])]
        source = str(Path(__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))}
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )
        try:
            out, remarks = await asyncio.wait_for(process.communicate(), self._seconds)
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
            raise FetchFailed(self._reason(remarks, process.returncode))
        try:
            told: dict[str, Any] = json.loads(out.splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise FetchFailed(f"MODEL_URI={self.shown} was fetched without an answer. Try again.") from error
        return told

    def _reason(self, remarks: bytes, status: int | None) -> str:
        last = (remarks.decode(errors="replace").strip().splitlines() or [""])[-1]
        if last.startswith("error: "):
            return SECRET.sub("//", last.removeprefix("error: "))
        ended = f"the process ended with status {status} {last}".strip()
        return SECRET.sub("//", f"MODEL_URI={self.uri} cannot be fetched: {ended}")


def _git_commit(folder: Path) -> str | None:
    """The commit of the repository around the folder, where there is one and git is installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=GIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
