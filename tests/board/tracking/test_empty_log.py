"""A board whose log has no event about a subject yet."""

import asyncio

import pytest

from board.app_state import AppState
from board.settings import Settings
from board.tracking.follower import Follower


@pytest.mark.parametrize("tables", [{}, {"airports": {"first_known_at": "2013-01-01T00:00:00Z"}}])
def test_it_is_ready_sends_heartbeats_and_waits_for_the_first_event(model, data_service, predictor, tables):
    async def log_state():
        return {"position": None, "first_known_at": None, "tables": tables}

    async def describe():
        return model

    async def started():
        service = AppState(Settings(_env_file=None))
        service.follower = Follower(data_service, predictor, service.metrics, None)
        running = asyncio.create_task(service.follower.run())
        await asyncio.sleep(0.1)
        running.cancel()
        return service.checks(), service.follower.works

    data_service.log_state, predictor.model = log_state, describe
    checks, works = asyncio.run(started())

    assert checks["log"]["ok"] is True
    assert checks["log"]["state"].startswith("waits for the first event of flights")
    assert works
