"""What the application holds while it runs: the database, who may call, and the tasks beside the requests."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import QueuePool

from data_api.auth import bootstrap
from data_api.auth.key_usage import KeyUsage
from data_api.auth.login_throttle import LoginThrottle
from data_api.auth.passwords import Passwords
from data_api.auth.tokens import Tokens
from data_api.crud import api_keys, drift, performance
from data_api.database import migrations_runner, partitions
from data_api.database.engine import create_engine_for, transaction
from data_api.errors import DataApiError, DatabaseBusy, DatabaseForeign, DatabaseUnavailable
from data_api.logs import LOGGER
from data_api.metrics import ALL_VERSIONS, Metrics
from data_api.settings import Settings
from service_kit.errors import ServiceError, SettingsInvalid
from service_kit.heartbeat import Heartbeat

AGAIN_SECONDS = 1.0
USES_SECONDS = 30.0
MONTHS_SECONDS = 3600.0
LOOK_SECONDS, STALE_SECONDS = 2.0, 15.0
LIVE_BINS = 15
logger = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class DatabaseStatus:
    """What a look at the database found: whether it answers, at which revision it is, and when that was."""

    answers: str
    revision: str | None
    at: float


NOTHING_SEEN = DatabaseStatus(DatabaseUnavailable.told, None, -math.inf)


class AppState:
    """One data service. Until the database is at the schema of this version, ``failure`` says why it is not."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.engine = create_engine_for(settings.url, settings.database_pool, settings.statement_seconds)
        self.passwords, self.uses, self.logins = Passwords(), KeyUsage(), LoginThrottle(settings.login_attempts)
        self.tokens = Tokens(settings.secret("jwt_secret") or "", timedelta(minutes=settings.token_minutes))
        address = settings.data_api_heartbeat_url
        self.heartbeat = Heartbeat(str(address.get_secret_value()), "DATA_API_HEARTBEAT_URL") if address else None
        self.failure: str | None = "the database is not looked at yet"
        self.fatal: ServiceError | None = None
        self.stopping = asyncio.Event()  # the service cannot go on; ``fatal`` says why
        self._seen = NOTHING_SEEN
        self._tasks: list[asyncio.Task[None]] = []
        pool = self.engine.pool
        if isinstance(pool, QueuePool):
            self.metrics.watch("data_api_pool_connections", "Connections to the database in use", pool.checkedout)
            self.metrics.watch("data_api_pool_size", "Connections to the database that may be in use", pool.size)
        self.metrics.watch("data_api_ready", "1 while the database is at the schema of this version", self._ready)

    async def open(self) -> None:
        """Prepares the database; where it is away, goes on trying beside the requests.

        A second time changes nothing. Raises DatabaseForeign, or SettingsInvalid where the database wants other settings.
        """
        if self._tasks:
            return
        with suppress(DatabaseUnavailable):
            await self._prepare_once()
        works = (
            self._prepare(),
            self._write_uses(),
            self._refresh_live(),
            self._refresh_drift(),
            self._make_months(),
            self._look(),
        )
        self._tasks = [asyncio.create_task(work) for work in works]

    async def close(self) -> None:
        """Ends the tasks, writes what is left, and closes all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(DataApiError):
            await asyncio.to_thread(self.flush_uses)
        if self.heartbeat:
            await self.heartbeat.close()
        self.engine.dispose()

    async def _prepare_once(self) -> None:
        try:
            await asyncio.to_thread(self._prepare_database)
        except DatabaseUnavailable as error:
            if self.failure != str(error):
                logger.warning("the database is not ready", extra={"reason": str(error)})
            self.failure = str(error)
            raise
        self.failure = None
        logger.info("the database is ready", extra={"revision": migrations_runner.head()})

    async def _prepare(self) -> None:
        while self.failure is not None:
            await asyncio.sleep(AGAIN_SECONDS)
            try:
                await self._prepare_once()
            except DatabaseUnavailable:
                continue
            except (DatabaseForeign, SettingsInvalid) as error:
                self.fatal = error
                self.stopping.set()
                return
            except Exception:
                logger.exception("the database cannot be prepared; another try follows")

    def _prepare_database(self) -> None:
        migrations_runner.upgrade(self.engine)
        with transaction(self.engine) as session:
            bootstrap.ensure(session, self.settings, self.passwords)
        self.look()

    async def _write_uses(self) -> None:
        await self._run_periodically(USES_SECONDS, self.flush_uses, "the uses of keys are not written yet")

    async def _refresh_live(self) -> None:
        await self._run_periodically(
            self.settings.live_refresh_seconds,
            self.refresh_live,
            "live scores are not worked out",
            self.heartbeat.send if self.heartbeat else None,
        )

    async def _refresh_drift(self) -> None:
        await self._run_periodically(self.settings.drift_refresh_seconds, self.refresh_drift, "drift is not worked out")

    async def _make_months(self) -> None:
        await self._run_periodically(MONTHS_SECONDS, self.make_months, "the next month is not made yet")

    async def _look(self) -> None:
        await self._run_periodically(LOOK_SECONDS, self.look, "the database cannot be looked at")

    async def _run_periodically(
        self, seconds: float, work: Callable[[], None], failed: str, succeeded: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Does something in a thread at regular times while the database is ready, and then ``succeeded``."""
        failing = False
        while True:
            if self.failure is None:
                try:
                    await asyncio.to_thread(work)
                    failing = False
                    if succeeded:
                        await succeeded()
                except Exception as error:
                    if not failing:
                        logger.warning(failed, extra={"reason": str(error) or type(error).__name__})
                    failing = True
                await asyncio.sleep(seconds)
            else:
                await asyncio.sleep(min(AGAIN_SECONDS, seconds))

    def flush_uses(self) -> None:
        """Writes when keys were used last."""
        if uses := self.uses.take():
            try:
                with transaction(self.engine) as session:
                    api_keys.record_uses(session, uses)
            except BaseException:
                self.uses.put_back(uses)
                raise

    def make_months(self) -> None:
        """Makes the partitions of this month and the next one."""
        with transaction(self.engine) as session:
            partitions.create_ahead(session, datetime.now(UTC))

    def refresh_live(self) -> None:
        """Works out the scores of the live window, for /metrics."""
        until = datetime.now(UTC)
        with transaction(self.engine, reads=True) as session:
            window = until - self.settings.live_window, until
            whole = performance.compute_scores(session, *window, "none", LIVE_BINS)
            versions = performance.compute_scores(session, *window, "model_version", LIVE_BINS)
        everything = whole.get(performance.WHOLE, performance.empty_scores())
        named = {_named(str(version)): scores for version, scores in versions.items()}
        self.metrics.live({**named, ALL_VERSIONS: everything}, time.time())

    def refresh_drift(self) -> None:
        """Works out how far what arrived lately is from what the model that answers was trained on, for /metrics."""
        with transaction(self.engine, reads=True) as session:
            windows = drift.count_windows(session, datetime.now(UTC), self.settings.drift_windows)
        self.metrics.drift(windows, time.time())

    def look(self) -> None:
        """Looks whether the database answers, and at which revision it is. Nobody else looks: watching costs nothing."""
        try:
            with transaction(self.engine, reads=True) as session:
                seen = DatabaseStatus("ok", migrations_runner.revision(session.connection()), time.monotonic())
        except DatabaseBusy:
            seen = replace(self._seen, at=time.monotonic())
        except DataApiError as error:
            if self._seen.answers == "ok":
                logger.warning("the database is not ready", extra={"reason": str(error)})
            seen = DatabaseStatus(DatabaseUnavailable.told, None, time.monotonic())
        self._seen = seen

    @property
    def seen(self) -> "DatabaseStatus":
        """What is known of the database: what the last look found, if it is not long ago."""
        if self.failure is not None or time.monotonic() > self._seen.at + STALE_SECONDS:
            return NOTHING_SEEN
        return self._seen

    def _ready(self) -> float:
        return float(self.seen.revision == migrations_runner.head())


def _named(version: str) -> str:
    return f"{version} (a version)" if version == ALL_VERSIONS else version
