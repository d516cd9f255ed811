"""Months: partitions on PostgreSQL, made when first needed; a month that nobody needs goes at once, on both databases."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import event, func, inspect, select, text

from data_api.database import partitions
from data_api.database.engine import create_engine_for, transaction
from data_api.database.migrations_runner import upgrade
from data_api.database.partitions import TABLES
from data_api.database.uuid7 import first_at
from data_api.errors import DatabaseUnavailable
from data_api.models import Outcome, Prediction

JUNE, JULY, AUGUST = (datetime(2026, month, 1, tzinfo=UTC) for month in (6, 7, 8))


@pytest.fixture
def record(client, as_service, prediction):
    """A function that records a prediction of each moment, with an outcome."""

    def send(*moments):
        ids = [str(UUID(int=first_at(moment).int | 7 << 76 | 2 << 62 | number)) for number, moment in enumerate(moments)]
        rows = [prediction(prediction_id=name, time=moment.isoformat()) for name, moment in zip(ids, moments, strict=True)]
        outcomes = [{"prediction_id": name, "outcome": True} for name in ids]
        answers = [
            client.post("/predictions", json={"predictions": rows}, headers=as_service),
            client.post("/outcomes", json={"outcomes": outcomes}, headers=as_service),
        ]
        return [answer.status_code for answer in answers]

    return send


def counts(engine):
    with transaction(engine, reads=True) as session:
        return [session.scalar(select(func.count()).select_from(table)) for table in (Prediction, Outcome)]


def test_a_dropped_month_takes_its_rows_and_no_others(engine, record):
    record(JUNE, JULY, datetime(2026, 7, 31, 23, 59, 59, 999000, tzinfo=UTC), AUGUST)

    with transaction(engine) as session:
        dropped = partitions.drop(session, JULY)

    assert dropped == {"predictions": 2, "outcomes": 2, "events": 0}
    assert counts(engine) == [2, 2]
    assert record(JULY) == [201, 201]
    assert counts(engine) == [3, 3]
    with transaction(engine) as session:
        assert set(partitions.drop(session, datetime(2025, 1, 1, tzinfo=UTC)).values()) == {0}


def test_requests_that_need_a_new_month_at_once_make_it_together(engine, record):
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda day: record(JULY.replace(day=day), AUGUST.replace(day=day)), range(1, 7)))

    assert answers == [[201, 201]] * 6
    assert counts(engine) == [12, 12]


@pytest.fixture
def on_postgresql(postgresql_url):
    engine = create_engine_for(postgresql_url)
    upgrade(engine)
    yield engine
    engine.dispose()


def test_postgresql_has_a_partition_for_each_month_and_year(on_postgresql):
    december, january = datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    with transaction(on_postgresql) as session:
        for _ in range(2):
            partitions.ensure(session, Prediction, [first_at(december), first_at(january), first_at(JUNE)])

    tables = {name for name in inspect(on_postgresql).get_table_names() if name.startswith("predictions_")}
    assert tables == {"predictions_2025_12", "predictions_2026_01", "predictions_2026_06"}


def partition_names(engine):
    return {name for name in inspect(engine).get_table_names() if name.startswith(("predictions_", "outcomes_", "events_"))}


def test_a_month_is_made_while_a_backup_reads_and_an_insert_is_open(on_postgresql, make_client, as_service, prediction):
    client = make_client(database_url=on_postgresql.url.render_as_string(hide_password=False), statement_seconds=2)
    with on_postgresql.connect() as backup, on_postgresql.connect() as insert:
        backup.execute(text("LOCK TABLE predictions, outcomes IN ACCESS SHARE MODE"))  # as pg_dump does
        old = prediction(prediction_id=str(UUID(int=first_at(JUNE).int | 7 << 76 | 2 << 62)), time=JUNE.isoformat())
        insert.execute(text("LOCK TABLE predictions IN ROW EXCLUSIVE MODE"))
        answer = client.post("/predictions", json={"predictions": [old]}, headers=as_service)

    assert answer.status_code == 201, answer.text
    assert "predictions_2026_06" in partition_names(on_postgresql)


def test_a_month_that_cannot_be_made_now_is_told_as_a_database_that_is_away(on_postgresql, monkeypatch):
    monkeypatch.setattr(partitions, "CREATE_TIMEOUT", "100ms")
    with on_postgresql.connect() as other:
        other.execute(text("LOCK TABLE predictions IN SHARE UPDATE EXCLUSIVE MODE"))
        with pytest.raises(DatabaseUnavailable, match="lock timeout"), transaction(on_postgresql) as session:
            partitions.ensure(session, Prediction, [first_at(JUNE)])


def test_a_month_has_the_indexes_of_its_table(on_postgresql):
    with transaction(on_postgresql) as session:
        partitions.ensure(session, Prediction, [first_at(JUNE)])
        asked = (
            "SELECT relkind FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent::regclass::text ~ 'predictions'"
        )
        assert sorted(session.execute(text(asked)).scalars()) == ["i", "i", "i", "i", "i", "r"]
        assert session.scalar(text("SHOW lock_timeout")) == "0"


def test_this_month_and_the_next_are_there_before_anybody_needs_them(on_postgresql, make_client):
    client = make_client(database_url=on_postgresql.url.render_as_string(hide_password=False))
    client.app.state.service.create_partitions()
    with transaction(on_postgresql) as session:
        partitions.create_ahead(session, datetime(2030, 12, 31, tzinfo=UTC))

    now = datetime.now(UTC)
    assert f"predictions_{now:%Y_%m}" in partition_names(on_postgresql)
    assert {
        f"{table}_{month}" for table in ("predictions", "outcomes", "events") for month in ("2030_12", "2031_01")
    } <= partition_names(on_postgresql)


def test_the_next_month_is_made_beside_the_requests(make_client, postgresql_url):
    client = make_client(database_url=postgresql_url)
    engine = client.app.state.service.engine
    end = time.monotonic() + 10
    while len(partition_names(engine)) < 6:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_dropping_a_month_counts_before_anybody_has_to_wait(on_postgresql):
    """All tables go in one statement, the last of the transaction."""
    with transaction(on_postgresql) as session:
        for table in TABLES:
            partitions.ensure(session, table, [first_at(JUNE)])
    told = []
    event.listen(on_postgresql, "before_cursor_execute", lambda *given: told.append(given[2]))
    with transaction(on_postgresql) as session:
        partitions.drop(session, JUNE)

    assert ["count" in statement for statement in told[1:]] == [True, True, True, False, False]  # the first: settings
    assert told[-1] == "DROP TABLE IF EXISTS predictions_2026_06, outcomes_2026_06, events_2026_06"
    assert partition_names(on_postgresql) == set()


def test_a_question_about_a_day_looks_into_its_month_alone(on_postgresql):
    with transaction(on_postgresql) as session:
        for table in (Prediction, Outcome):
            partitions.ensure(session, table, [first_at(month) for month in (JUNE, JULY, AUGUST)])
        low, high = first_at(JULY), first_at(JULY.replace(day=2))
        plan = session.execute(
            text(
                "EXPLAIN SELECT * FROM predictions p LEFT JOIN outcomes o ON o.prediction_id = p.prediction_id AND "
                f"o.prediction_id >= '{low}' AND o.prediction_id < '{high}' "
                f"WHERE p.prediction_id >= '{low}' AND p.prediction_id < '{high}' ORDER BY p.prediction_id LIMIT 10"
            )
        )
        lines = "\n".join(plan.scalars())

    assert "predictions_2026_07" in lines
    assert "outcomes_2026_07" in lines
    assert "_2026_06" not in lines
    assert "_2026_08" not in lines
