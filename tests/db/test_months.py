"""Months: partitions on PostgreSQL, made when first needed; a month that nobody needs goes at once, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import func, inspect, select, text

from data_api.crud import months
from data_api.database import engine_of, transaction
from data_api.ids import first_at
from data_api.migrating import upgrade
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
        dropped = months.drop(session, JULY)

    assert dropped == {"predictions": 2, "outcomes": 2}
    assert counts(engine) == [2, 2]
    assert record(JULY) == [201, 201]
    assert counts(engine) == [3, 3]
    with transaction(engine) as session:
        assert months.drop(session, datetime(2025, 1, 1, tzinfo=UTC)) == {"predictions": 0, "outcomes": 0}


def test_requests_that_need_a_new_month_at_once_make_it_together(engine, record):
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda day: record(JULY.replace(day=day), AUGUST.replace(day=day)), range(1, 7)))

    assert answers == [[201, 201]] * 6
    assert counts(engine) == [12, 12]


@pytest.fixture
def on_postgresql(postgresql_url):
    engine = engine_of(postgresql_url)
    upgrade(engine)
    yield engine
    engine.dispose()


def test_postgresql_has_a_partition_for_each_month_and_year(on_postgresql):
    december, january = datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    with transaction(on_postgresql) as session:
        for _ in range(2):
            months.ensure(session, Prediction, [first_at(december), first_at(january), first_at(JUNE)])

    tables = {name for name in inspect(on_postgresql).get_table_names() if name.startswith("predictions_")}
    assert tables == {"predictions_2025_12", "predictions_2026_01", "predictions_2026_06"}


def test_a_question_about_a_day_looks_into_its_month_alone(on_postgresql):
    with transaction(on_postgresql) as session:
        for table in (Prediction, Outcome):
            months.ensure(session, table, [first_at(month) for month in (JUNE, JULY, AUGUST)])
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
