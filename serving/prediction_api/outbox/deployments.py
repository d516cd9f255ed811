"""Tells the data service which model answers from when to when, and keeps it on disk until it has arrived.

A deployment is a file in the outbox's folder, there before its model answers. At each heartbeat ``last_seen_at`` moves
forward, in the file and then in the data service; one that a killed process left behind ends where it was last seen. A file
goes once the data service took its end. What the model that answers was trained on is told until it has arrived, once.
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
from prediction_api.outbox.outbox import Sync, sync_folder

PREFIX, TEMPORARY = "deployment-", "deployment.new"
HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 5.0  # then the next heartbeat goes on with what is left
LAST_SECONDS = 2.0  # at shutdown; what is left waits on disk
MOST_FILES = 1000  # without a data service nobody takes them
Send = Callable[[str, str, bytes], Awaitable[None]]  # method, path, content; raises ContentRejected, or whatever may pass
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
    """The deployments of the process whose outbox is open in the folder. What fails here fails no prediction.

    The disk is used in one thread: a slow one keeps nobody waiting, and the files change in the order of what happened.
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
        self._untold: tuple[str, bytes] | None = None  # where and what the model that answers was trained on
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "deployments")
        self._told: set[object] = set()  # what was logged and has not passed yet

    async def open(self) -> None:
        """Ends what a process that was killed left behind."""
        await self._on_disk(self._end_left_behind)

    async def begin(self, served: LoadedModel) -> None:
        """Returns once the deployment of a model that is about to answer is on disk; the one before has ended then."""
        now, model = datetime.now(UTC), served.model
        contract, lineage = model.contract, served.lineage
        new = Deployment(
            replica=self._replica, model_name=model.name, model_version=model.version, git_commit=lineage.get("git_commit"),
            model_uri=lineage["uri"], sha256=dict(contract.sha256), data=contract.metadata.data,
            started_at=now, last_seen_at=now, ended_at=None,
        )  # fmt: skip
        path = self._folder / f"{PREFIX}{uuid7()}.json"
        await self._on_disk(self._write, path, new)
        if self._live:
            self._thread.submit(self._write, *_ended(*self._live))
        self._live = path, new
        if contract.reference:
            content = {"model_name": model.name, "reference": contract.reference}
            self._untold = f"/models/{model.version}", to_json(content)
        self._thread.submit(self._drop_oldest)
        self._changed.set()

    async def run(self) -> None:
        """Says for ever that the model still answers: at once where another began, and at each heartbeat."""
        while True:
            self._changed.clear()
            await self._beat()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._heartbeat_seconds)

    async def close(self) -> None:
        """Ends what answered, and says so once, in a moment or not at all."""
        if self._live:
            await self._on_disk(self._write, *_ended(*self._live))
        await self._tell(LAST_SECONDS)
        self._thread.shutdown()

    async def _beat(self) -> None:
        if self._live:
            path, deployment = self._live
            self._live = path, _seen(deployment)
            await self._on_disk(self._write, *self._live)
        await self._tell(SEND_SECONDS)

    async def _tell(self, seconds: float) -> None:
        if self._send is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._send_waiting(self._send)
                await self._send_reference(self._send)
            self._told.discard("away")
        except Exception as error:
            reason = str(error) or type(error).__name__
            self._log_once("away", logging.WARNING, "the data service is not told of deployments, which wait", reason)

    async def _send_waiting(self, send: Send) -> None:
        """Sends each file, the newest first; one that is refused is tried again while it lives.

        After its end it is put aside, where the data service says what is wrong with it.
        """
        for path, deployment in await self._on_disk(self._waiting):
            try:
                await send("PUT", f"/deployments/{_id(path)}", DEPLOYMENT.dump_json(deployment))
            except ContentRejected as error:
                self._log_once(path, logging.ERROR, "the data service refuses a deployment", str(error))
                if deployment.ended_at and error.fields:
                    await self._on_disk(self._put_aside, path, "refused")
            else:
                self._told.discard(path)
                if deployment.ended_at:
                    await self._on_disk(path.unlink, True)

    async def _send_reference(self, send: Send) -> None:
        """Sends what the model that answers was trained on. An older data service takes none, and sees no drift."""
        if (untold := self._untold) is None:
            return
        try:
            await send("PUT", *untold)
        except PredictionApiError as error:
            message = "the data service is not told what the model was trained on, and sees no drift"
            self._log_once("reference", logging.WARNING, message, str(error))
            return
        self._told.discard("reference")
        if self._untold is untold:
            self._untold = None

    async def _on_disk(self, function: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *given)

    def _write(self, path: Path, deployment: Deployment) -> None:
        temporary = self._folder / TEMPORARY
        try:
            with temporary.open("wb") as file:
                file.write(DEPLOYMENT.dump_json(deployment))
                if self._full_sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
            if self._full_sync:
                sync_folder(self._folder)
            self._told.discard("disk")
        except OSError as error:  # the next heartbeat tries again
            self._log_once("disk", logging.ERROR, "a deployment cannot be written", f"{path}: {error.strerror}")

    def _waiting(self) -> list[tuple[Path, Deployment]]:
        """What the files hold, the newest first; one that is damaged is put aside."""
        found = []
        for path in sorted(self._folder.glob(f"{PREFIX}*.json"), reverse=True):
            try:
                _id(path)
                found.append((path, DEPLOYMENT.validate_json(path.read_bytes(), strict=True)))
            except (OSError, ValueError) as error:
                self._log_once(path, logging.ERROR, "a deployment is unreadable and put aside", f"{path}: {error}")
                self._put_aside(path, "damaged")
        return found

    def _end_left_behind(self) -> None:
        for path, deployment in self._waiting():
            if deployment.ended_at is None:
                self._write(path, replace(deployment, ended_at=deployment.last_seen_at))

    def _drop_oldest(self) -> None:
        """Keeps the newest files, also of those put aside: ids that were made later sort later."""
        dropped = sorted(self._folder.glob(f"{PREFIX}*"))[:-MOST_FILES]
        for path in dropped:
            with suppress(OSError):
                path.unlink()
        if dropped:
            logger.warning("deployments that nobody took are dropped", extra={"dropped": len(dropped), "kept": MOST_FILES})

    def _put_aside(self, path: Path, why: str) -> None:
        with suppress(OSError):
            path.replace(path.with_name(f"{path.name}.{why}"))
            self._told.discard(path)

    def _log_once(self, what: object, level: int, message: str, reason: str) -> None:
        if what not in self._told:
            self._told.add(what)
            logger.log(level, message, extra={"reason": reason})


def replica_name(port: int) -> str:
    """Where this process answers: its host (a container's id) and port, the same after a restart; its pid for any port."""
    return f"{socket.gethostname()}:{port or f'pid-{os.getpid()}'}"


def _id(path: Path) -> UUID:
    """Raises ValueError where a person gave the file its name."""
    return UUID(path.stem.removeprefix(PREFIX))


def _seen(deployment: Deployment) -> Deployment:
    """Answering now; clocks are set back at times, and the data service is told of no way back."""
    return replace(deployment, last_seen_at=max(datetime.now(UTC), deployment.last_seen_at))


def _ended(path: Path, deployment: Deployment) -> tuple[Path, Deployment]:
    last = _seen(deployment)
    return path, replace(last, ended_at=last.last_seen_at)
