"""Records which model answers from when to when: on disk first, and then in the data service.

A deployment is a file in the outbox's folder, written before its model answers. At each heartbeat ``last_seen_at`` moves
forward, in the file and then in the data service; a deployment that a killed process left behind ends where it was last
seen. The file is removed once the data service has the end. The model's reference distributions are sent until they have
arrived once.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from pydantic import AliasChoices, AwareDatetime, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass
from pydantic_core import to_json
from uuid_utils import uuid7

from prediction_api.errors import ContentRejected, PredictionApiError
from prediction_api.logs import LOGGER
from prediction_api.model.model_manager import LoadedModel
from prediction_api.outbox import files
from prediction_api.outbox.outbox import Sync

PREFIX, TEMPORARY = "deployment-", "deployment.new"
HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 5.0  # the next heartbeat sends what is left then
LAST_SECONDS = 2.0  # at shutdown; what is left waits on disk
MOST_FILES = 1000  # without a data service they are never sent
Send = Callable[[str, str, bytes], Awaitable[None]]  # method, path, content; raises ContentRejected, or any other error
logger = logging.getLogger(LOGGER)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Deployment:
    """A model that answered on a replica, from ``started_at`` to ``ended_at``; ``sha256`` and ``data`` hold digests."""

    replica: str
    model_name: str
    model_version: str
    git_commit: str | None
    model_uri: str
    sha256: dict[str, str]
    data: dict[str, str]
    # Files that an older version left in the outbox have the second name.
    started_at: Annotated[AwareDatetime, Field(validation_alias=AliasChoices("started_at", "started"))]
    last_seen_at: Annotated[AwareDatetime, Field(validation_alias=AliasChoices("last_seen_at", "seen"))]
    ended_at: Annotated[AwareDatetime | None, Field(validation_alias=AliasChoices("ended_at", "ended"))]


DEPLOYMENT = TypeAdapter(Deployment)


class Deployments:
    """The deployments of the process whose outbox is open in the folder. A failure here fails no prediction.

    One thread uses the disk: a slow disk delays no prediction, and the files change in the order of what happened.
    """

    def __init__(
        self,
        folder: Path,
        replica: str,
        send: Send | None = None,
        sync: Sync = "process",
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._folder, self._replica, self._send = folder, replica, send
        self._full_sync, self._heartbeat_seconds = sync == "full", heartbeat_seconds
        self._live: tuple[Path, Deployment] | None = None
        self._unsent_reference: tuple[str, bytes] | None = None  # path and content of what the model was trained on
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "deployments")
        self._logged: set[object] = set()  # the failures that were logged and still last

    async def open(self) -> None:
        """Ends the deployments that a killed process left behind."""
        await self._on_disk(self._end_left_behind)

    async def begin(self, loaded: LoadedModel) -> None:
        """Ends the deployment before, and returns once the one of a model that is about to answer is on disk."""
        now, model = datetime.now(UTC), loaded.model
        artifact, lineage = model.artifact, loaded.lineage
        new = Deployment(
            replica=self._replica, model_name=model.name, model_version=model.version, git_commit=lineage.get("git_commit"),
            model_uri=lineage["uri"], sha256=dict(artifact.sha256), data=artifact.metadata.data,
            started_at=now, last_seen_at=now, ended_at=None,
        )  # fmt: skip
        path = self._folder / f"{PREFIX}{uuid7()}.json"
        await self._on_disk(self._write, path, new)
        if self._live:
            self._thread.submit(self._write, *_ended(*self._live))
        self._live = path, new
        if artifact.reference:
            content = {"model_name": model.name, "reference": artifact.reference}
            self._unsent_reference = f"/models/{model.version}", to_json(content)
        self._thread.submit(self._drop_oldest)
        self._changed.set()

    async def run(self) -> None:
        """Reports for ever that the model answers: at each heartbeat, and at once when another model begins."""
        while True:
            self._changed.clear()
            if self._live:
                path, deployment = self._live
                self._live = path, _seen(deployment)
                await self._on_disk(self._write, *self._live)
            await self._report(SEND_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._heartbeat_seconds)

    async def close(self) -> None:
        """Ends the deployment, and tries once to report the end."""
        if self._live:
            await self._on_disk(self._write, *_ended(*self._live))
        await self._report(LAST_SECONDS)
        self._thread.shutdown()

    async def _report(self, seconds: float) -> None:
        if self._send is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._send_deployments(self._send)
                await self._send_reference(self._send)
            self._logged.discard("data service")
        except Exception as error:
            reason = str(error) or type(error).__name__
            self._log_once("data service", logging.WARNING, "deployments wait on disk for the data service", reason)

    async def _send_deployments(self, send: Send) -> None:
        """Sends what the files hold, the newest first, and removes the files of those that ended.

        A deployment that the data service refuses is sent again; once it has ended and the refusal names a field, it is
        put aside.
        """
        for path, deployment in await self._on_disk(self._read_all):
            try:
                await send("PUT", f"/deployments/{_id(path)}", DEPLOYMENT.dump_json(deployment))
            except ContentRejected as error:
                self._log_once(path, logging.ERROR, "the data service refuses a deployment", str(error))
                if deployment.ended_at and error.fields:
                    await self._on_disk(self._put_aside, path, "refused")
            else:
                self._logged.discard(path)
                if deployment.ended_at:
                    await self._on_disk(path.unlink, True)

    async def _send_reference(self, send: Send) -> None:
        """Sends the reference distributions of the model that answers. An older data service refuses them."""
        if (reference := self._unsent_reference) is None:
            return
        try:
            await send("PUT", *reference)
        except PredictionApiError as error:
            message = "the data service does not take the model's reference distributions, and measures no drift"
            self._log_once("reference", logging.WARNING, message, str(error))
            return
        self._logged.discard("reference")
        if self._unsent_reference is reference:
            self._unsent_reference = None

    async def _on_disk(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _write(self, path: Path, deployment: Deployment) -> None:
        try:
            files.replace(path, DEPLOYMENT.dump_json(deployment), self._folder / TEMPORARY, self._full_sync)
            self._logged.discard("disk")
        except OSError as error:  # the next heartbeat tries again
            self._log_once("disk", logging.ERROR, "a deployment cannot be written", f"{path}: {error.strerror}")

    def _read_all(self) -> list[tuple[Path, Deployment]]:
        """The deployments in the folder, the newest first; a damaged file is put aside."""
        deployments = []
        for path in sorted(self._folder.glob(f"{PREFIX}*.json"), reverse=True):
            try:
                _id(path)
                deployments.append((path, DEPLOYMENT.validate_json(path.read_bytes(), strict=True)))
            except (OSError, ValueError) as error:
                self._log_once(path, logging.ERROR, "a deployment is unreadable and put aside", f"{path}: {error}")
                self._put_aside(path, "damaged")
        return deployments

    def _end_left_behind(self) -> None:
        for path, deployment in self._read_all():
            if deployment.ended_at is None:
                self._write(path, replace(deployment, ended_at=deployment.last_seen_at))

    def _drop_oldest(self) -> None:
        """Keeps the newest files, with those put aside: later ids sort later."""
        dropped = sorted(self._folder.glob(f"{PREFIX}*"))[:-MOST_FILES]
        for path in dropped:
            with suppress(OSError):
                path.unlink()
        if dropped:
            logger.warning(
                "the oldest deployments that were never reported are dropped",
                extra={"dropped": len(dropped), "kept": MOST_FILES},
            )

    def _put_aside(self, path: Path, reason: str) -> None:
        with suppress(OSError):
            path.replace(path.with_name(f"{path.name}.{reason}"))
            self._logged.discard(path)

    def _log_once(self, failure: object, level: int, message: str, reason: str) -> None:
        if failure not in self._logged:
            self._logged.add(failure)
            logger.log(level, message, extra={"reason": reason})


def replica_name(port: int) -> str:
    """Host (in a container its id) and port, the same after a restart; the process id where the port may be any."""
    return f"{socket.gethostname()}:{port or f'pid-{os.getpid()}'}"


def _id(path: Path) -> UUID:
    """The id in a file's name; raises ValueError where a person named the file."""
    return UUID(path.stem.removeprefix(PREFIX))


def _seen(deployment: Deployment) -> Deployment:
    """The deployment as seen now, and never earlier than before: clocks are set back at times."""
    return replace(deployment, last_seen_at=max(datetime.now(UTC), deployment.last_seen_at))


def _ended(path: Path, deployment: Deployment) -> tuple[Path, Deployment]:
    deployment = _seen(deployment)
    return path, replace(deployment, ended_at=deployment.last_seen_at)
