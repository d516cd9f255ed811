"""Records which model answers from when to when: on disk first, and then in the data service.

Deployments have an outbox of their own, so that no prediction waits for them. Each line holds a whole deployment. The first
is on disk before the model answers; each heartbeat adds one with a later ``last_seen_at``, and the last one holds the end.
Where a killed process left a deployment without an end, the next start ends it: when it was last seen. A model's reference
distributions are sent the same way.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json
from uuid_utils import uuid7

from prediction_api.errors import ContentRejected, DataServiceUnavailable, OutboxUnavailable, unconfirmed
from prediction_api.logs import LOGGER
from prediction_api.model.model_manager import LoadedModel
from prediction_api.outbox.outbox import Outbox, Sync

FOLDER = "deployments"
MOST_LINES = 500
MOST_BYTES = 64 * 2**20  # two weeks of heartbeats without a data service
HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 5.0  # the next heartbeat sends what is left then
LAST_SECONDS = 2.0  # at shutdown; what is left waits on disk
Content = dict[str, Any]
Send = Callable[[str, str, bytes], Awaitable[Content]]  # method, path, content; raises ContentRejected, or any other error
logger = logging.getLogger(LOGGER)


class Deployments:
    """The deployments of the process whose outbox is open in the folder. A failure here fails no prediction."""

    def __init__(
        self,
        folder: Path,
        replica: str,
        send: Send | None = None,
        sync: Sync = "process",
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._outbox, self._replica, self._send = Outbox(folder / FOLDER, sync, MOST_BYTES), replica, send
        self._heartbeat_seconds = heartbeat_seconds
        self._live: tuple[str, Content] | None = None
        self._unwritten: dict[str, Content] = {}  # by path, while the disk refuses
        self._changed = asyncio.Event()
        self._logged: set[str] = set()  # the failures that were logged and still last
        self.failure: str | None = None  # why the last report failed

    async def open(self) -> None:
        """Ends the deployment that a killed process left behind."""
        if line := self._outbox.last_line():
            path, deployment = from_json(line)
            if deployment.get("ended_at", "no deployment") is None:
                await self._write((path, {**deployment, "ended_at": deployment["last_seen_at"]}))

    async def begin(self, loaded: LoadedModel) -> None:
        """Ends the deployment before, and returns once the one of a model that is about to answer is on disk."""
        now, model, lineage, previous = datetime.now(UTC), loaded.model, loaded.lineage, self._live
        artifact = model.artifact
        deployment = {
            "replica": self._replica, "model_name": model.name, "model_version": model.version,
            "git_commit": lineage.get("git_commit"), "model_uri": lineage["uri"], "sha256": dict(artifact.sha256),
            "data": artifact.metadata.data, "started_at": now, "last_seen_at": now, "ended_at": None,
        }  # fmt: skip
        self._live = f"/deployments/{uuid7()}", deployment
        entries = [_ended(*previous)] if previous else []
        if artifact.reference:
            content = {"model_name": model.name, "question": artifact.question, "reference": artifact.reference}
            if source := artifact.schema.source:
                content["tables"] = source.tables
            entries.append((f"/models/{model.version}", content))
        await self._write(*entries, self._live)
        self._changed.set()

    async def run(self) -> None:
        """Reports for ever that the model answers: at each heartbeat, and at once when another model begins."""
        while True:
            self._changed.clear()
            if self._live:
                self._live = _seen(*self._live)
                await self._write(self._live)
            await self._report(SEND_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._heartbeat_seconds)

    async def close(self) -> None:
        """Ends the deployment, and tries once to report the end."""
        if self._live:
            await self._write(_ended(*self._live))
        await self._report(LAST_SECONDS)
        await self._outbox.close()

    async def _write(self, *entries: tuple[str, Content]) -> None:
        """Adds lines, and those that the disk refused before; the live deployment is the last, where ``open`` expects it."""
        pending, self._unwritten = {**self._unwritten, **dict(entries)}, {}
        try:
            await self._outbox.append([to_json(entry) for entry in pending.items()])
            self._logged.discard("disk")
        except OutboxUnavailable:  # the next heartbeat tries again
            self._unwritten = {**pending, **self._unwritten}
            reason = self._outbox.failure or f"{MOST_BYTES:,} bytes of them wait for the data service"
            self._log_once("disk", logging.ERROR, "deployments cannot be written", reason)

    async def _report(self, seconds: float) -> None:
        if self._send is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._deliver(self._send)
            self._logged.discard("data service")
            self.failure = None
        except Exception as error:
            self.failure = str(error) or type(error).__name__
            self._log_once("data service", logging.WARNING, "deployments wait on disk for the data service", self.failure)

    async def _deliver(self, send: Send) -> None:
        """Sends what waits, of each deployment the newest line; what the data service refuses becomes a dead letter.

        Raises DataServiceUnavailable for a refusal that may be another server's.
        """
        while batch := self._outbox.peek(MOST_LINES):
            for path, content in dict(map(from_json, batch.lines)).items():
                try:
                    answer = await send("PUT", path, to_json(content))
                    if path.rpartition("/")[2] not in (answer.get("deployment_id"), answer.get("model_version")):
                        raise unconfirmed(f"that it stored {path}", answer)
                    self._logged.discard(path)
                except ContentRejected as error:
                    if not error.is_final:
                        raise DataServiceUnavailable(
                            f"DATA_API_URL should take {path}; it refuses it without the problem details of a data service "
                            f"({error}). Check DATA_API_URL."
                        ) from error
                    self._log_once(path, logging.ERROR, "the data service refuses a deployment", str(error))
                    if content.get("ended_at", True):  # until then the next heartbeat sends it again
                        self._outbox.dead_letter([to_json((path, content))])
            if batch.damaged:
                logger.error("deployments on disk are damaged and cannot be delivered", extra={"lines": batch.damaged})
            self._outbox.ack(batch.after)

    def _log_once(self, failure: str, level: int, message: str, reason: str) -> None:
        if failure not in self._logged:
            self._logged.add(failure)
            logger.log(level, message, extra={"reason": reason})


def replica_name(port: int) -> str:
    """Host (in a container its id) and port, the same after a restart; the process id where the port may be any."""
    return f"{socket.gethostname()}:{port or f'pid-{os.getpid()}'}"


def _seen(path: str, deployment: Content) -> tuple[str, Content]:
    """The deployment as seen now, and never earlier than before: clocks are set back at times."""
    return path, {**deployment, "last_seen_at": max(datetime.now(UTC), deployment["last_seen_at"])}


def _ended(path: str, deployment: Content) -> tuple[str, Content]:
    path, deployment = _seen(path, deployment)
    return path, {**deployment, "ended_at": deployment["last_seen_at"]}
