"""What the application holds while it runs: the database, who may call, and the tasks beside the requests."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import starmap
from typing import Any

from sqlalchemy import QueuePool

from data_api.auth import bootstrap
from data_api.auth.login_throttle import LoginThrottle
from data_api.auth.passwords import Passwords
from data_api.auth.tokens import Tokens
from data_api.crud import api_keys, drift, performance
from data_api.crud.time_ranges import live_ranges
from data_api.database import migrations_runner, partitions
from data_api.database.engine import create_engine_for, is_read_only, transaction
from data_api.errors import DatabaseBusy, DatabaseReadOnly, DatabaseUnavailable, StatementTooLong
from data_api.metrics import ALL_VERSIONS, Metrics
from data_api.settings import Settings
from service_kit.errors import ServiceError
from service_kit.heartbeat import Heartbeat

RETRY_SECONDS = 1.0
KEY_USES_SECONDS = 30.0
PARTITIONS_SECONDS = 3600.0
CHECK_SECONDS, STALE_SECONDS = 2.0, 15.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatabaseStatus:
    """What a check of the database found: "ok" or why not, at which revision it is, and when that was."""

    message: str
    revision: str | None
    checked_at: float


UNAVAILABLE = DatabaseStatus(DatabaseUnavailable.public_message, None, -math.inf)


class AppState:
    """One data service. Until the database is at the schema of this version, ``failure`` says why it is not."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.engine = create_engine_for(settings.url, settings.database_pool, settings.statement_seconds)
        self.passwords, self.logins = Passwords(), LoginThrottle(settings.login_attempts)
        self.key_uses: dict[int, datetime] = {}  # when keys were last used; requests that read need not write it
        self.tokens = Tokens(settings.secret("jwt_secret") or "", timedelta(minutes=settings.token_minutes))
        address = settings.data_api_heartbeat_url
        self.heartbeat = Heartbeat(str(address.get_secret_value()), "DATA_API_HEARTBEAT_URL") if address else None
        self.failure: DatabaseUnavailable | None = DatabaseUnavailable("the database has not been checked yet")
        self.fatal: ServiceError | None = None
        self.stopping = asyncio.Event()  # the service cannot go on; ``fatal`` says why
        self._status = UNAVAILABLE
        self._tasks: list[asyncio.Task[None]] = []
        pool = self.engine.pool
        if isinstance(pool, QueuePool):
            self.metrics.watch("data_api_pool_connections", "Connections to the database in use", pool.checkedout)
            self.metrics.watch("data_api_pool_size", "Connections to the database that may be in use", pool.size)
        self.metrics.watch(
            "data_api_ready", "1 while the database takes writes at the schema of this version", self._is_ready
        )

    async def open(self) -> None:
        """Prepares the database; if it does not answer, goes on trying beside the requests.

        A second call changes nothing. Raises DatabaseForeign, or SettingsInvalid if the database requires other settings.
        """
        if self._tasks:
            return
        with suppress(DatabaseUnavailable):
            await self._prepare()
        if defaults := self.settings.defaults_in_use:
            logger.warning("secrets of development are in use: for this machine alone", extra={"settings": defaults})
        periodic: list[tuple[Any, ...]] = [
            (CHECK_SECONDS, self.check_database, "the database cannot be checked"),
            (KEY_USES_SECONDS, self.flush_key_uses, "the last uses of keys are not written yet"),
            (PARTITIONS_SECONDS, self.create_partitions, "the partition of the next month is not created yet"),
            (self.settings.live_refresh_seconds, self.refresh_live, "live scores are not computed", self.heartbeat),
            (self.settings.drift_refresh_seconds, self.refresh_drift, "drift is not computed"),
        ]
        tasks = (self._prepare_until_ready(), *starmap(self._run_periodically, periodic))
        self._tasks = [asyncio.create_task(task) for task in tasks]

    async def close(self) -> None:
        """Ends the tasks, writes what is left, and closes all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(ServiceError):
            await asyncio.to_thread(self.flush_key_uses)
        if self.heartbeat:
            await self.heartbeat.close()
        self.engine.dispose()

    async def _prepare(self) -> None:
        try:
            await asyncio.to_thread(self._prepare_database)
        except DatabaseUnavailable as error:
            if str(self.failure) != str(error):
                logger.warning("the database is not ready", extra={"reason": str(error)})
            self.failure = error
            raise
        self.failure = None
        logger.info("the database is ready", extra={"revision": migrations_runner.head()})

    async def _prepare_until_ready(self) -> None:
        while self.failure is not None:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                await self._prepare()
            except DatabaseUnavailable:
                continue
            except ServiceError as error:
                self.fatal = error
                self.stopping.set()
                return
            except Exception:
                logger.exception("the database cannot be prepared; another try follows")

    def _prepare_database(self) -> None:
        migrations_runner.upgrade(self.engine)
        with transaction(self.engine) as session:
            bootstrap.ensure(session, self.settings, self.passwords)
        self.check_database()

    async def _run_periodically(
        self, seconds: float, work: Callable[[], None], failed: str, heartbeat: Heartbeat | None = None
    ) -> None:
        """Does something in a thread at regular times while the database is ready, and then sends the heartbeat."""
        failing = False
        while True:
            if self.failure is None:
                try:
                    await asyncio.to_thread(work)
                    failing = False
                    if heartbeat:
                        await heartbeat.send()
                except Exception as error:
                    if not failing:
                        logger.warning(failed, extra={"reason": str(error) or type(error).__name__})
                    failing = True
            await asyncio.sleep(seconds if self.failure is None else min(RETRY_SECONDS, seconds))

    def flush_key_uses(self) -> None:
        """Writes when keys were last used."""
        uses: dict[int, datetime] = {}
        with suppress(KeyError):  # once it is empty; other threads add to it meanwhile
            while True:
                uses.update([self.key_uses.popitem()])
        try:
            if uses:
                with transaction(self.engine) as session:
                    api_keys.record_uses(session, uses)
        except BaseException:
            self.key_uses.update({**uses, **self.key_uses})
            raise

    def create_partitions(self) -> None:
        """Creates the partitions of this month and the next one."""
        with transaction(self.engine) as session:
            partitions.create_ahead(session, datetime.now(UTC))

    def refresh_live(self) -> None:
        """Computes the scores of the live window, for /metrics."""
        with transaction(self.engine, reads=True) as session:
            ranges = live_ranges(session, datetime.now(UTC), self.settings.live_window)
            overall, versions = performance.compute_scores(session, ranges, "model_version")
        renamed = {f"{name} (a version)" if name == ALL_VERSIONS else str(name): scores for _, _, name, scores in versions}
        self.metrics.live({**renamed, ALL_VERSIONS: overall}, time.time())

    def refresh_drift(self) -> None:
        """Computes how far recent predictions are from the training rows of the model that answers, for /metrics."""
        with transaction(self.engine, reads=True) as session:
            windows = drift.count_windows(session, datetime.now(UTC), self.settings.drift_windows)
        self.metrics.drift(windows, time.time())

    def check_database(self) -> None:
        """Checks whether the database answers and takes writes, and at which revision it is, for /readyz and /metrics."""
        try:
            with transaction(self.engine, reads=True) as session:
                connection = session.connection()
                status = DatabaseStatus("ok", migrations_runner.revision(connection), time.monotonic())
                if is_read_only(connection):
                    status = replace(status, message=DatabaseReadOnly.public_message)
                    session.invalidate()  # a connection keeps the setting that it began with
        except DatabaseBusy:
            status = replace(self._status, checked_at=time.monotonic())
        except (ServiceError, StatementTooLong) as error:
            if self._status.message == "ok":
                logger.warning("the database is not ready", extra={"reason": str(error)})
            status = UNAVAILABLE
        if status.message == DatabaseReadOnly.public_message != self._status.message:
            logger.warning("the database is not ready", extra={"reason": status.message})
        self._status = status

    def checks(self) -> dict[str, dict[str, Any]]:
        """What the service needs, by name; a check of the database counts for STALE_SECONDS."""
        head, status = migrations_runner.head(), self._status
        if (failure := self.failure) is not None:
            status = replace(UNAVAILABLE, message=failure.public_message)
        elif time.monotonic() > status.checked_at + STALE_SECONDS:
            status = UNAVAILABLE
        return {
            "database": {"ok": status.message == "ok", "answers": status.message},
            "migrations": {"ok": status.revision == head, "wanted": head, "found": status.revision},
        }

    def _is_ready(self) -> float:
        return float(all(check["ok"] for check in self.checks().values()))
