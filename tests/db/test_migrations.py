"""The schema comes from the migrations alone, and they lead up, down and up again on both databases."""

import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
from alembic.config import CommandLine, Config
from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Double,
    Integer,
    String,
    Uuid,
    column,
    event,
    insert,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.exc import IntegrityError

import in_process
import warm_process
from data_api.database import migrations_runner, partitions
from data_api.database.engine import create_engine_for, transaction
from data_api.database.uuid7 import first_at, time_of
from data_api.errors import DatabaseForeign, DatabaseUnavailable, MigrationsInvalid
from data_api.models import ApiKey, Base, Deployment, ModelVersion, Outcome, Prediction, Role, User

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ID = UUID(int=first_at(NOW).int | 7 << 76 | 2 << 62)


def alembic(url, *words, expected=0):
    """What a command of Alembic prints, in the process of the test: another one would take most of a second to start."""
    out, line = StringIO(), CommandLine()
    options = line.parser.parse_args(words)
    config = Config(toml_file="pyproject.toml", cmd_opts=options, stdout=out)
    done = in_process.call(
        lambda: line.run_cmd(config, options), ["alembic", *words], folder=Path.cwd(), environment=environment(url)
    )
    told = out.getvalue() + done.stdout + done.stderr
    assert done.returncode == expected, told
    return told


def alembic_process(url, *words, **settings):
    """The same in a process of its own."""
    done = subprocess.run(["alembic", *words], env=environment(url, **settings), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def environment(url, **settings):
    return {**os.environ, "DATABASE_URL": url, **settings}


@pytest.fixture
def url(empty_url):
    """The tests of this file migrate the database themselves."""
    return empty_url


@pytest.fixture
def engine(url):
    found = create_engine_for(url)
    yield found
    found.dispose()


def anna():
    return User(name="anna", role=Role.READER, created_at=NOW, tokens_valid_after=NOW)


def test_the_migrations_make_what_the_models_say(url):
    alembic(url, "upgrade", "head")

    assert "No new upgrade operations detected" in alembic(url, "check")


def test_alembic_takes_the_database_from_where_the_service_does(url, engine, tmp_path):
    (tmp_path / "database_url").write_text(f"{url}\n")
    alembic_process("", "upgrade", "head", SECRETS_DIR=str(tmp_path))

    assert "users" in inspect(engine).get_table_names()
    assert "No new upgrade operations detected" in alembic_process(url, "check")


def test_check_looks_at_no_month(url, engine):
    alembic(url, "upgrade", "head")
    with transaction(engine) as session:
        partitions.create_ahead(session, NOW)

    assert "No new upgrade operations detected" in alembic(url, "check")


def test_check_finds_what_no_migration_made(url, engine):
    alembic(url, "upgrade", "head")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE users DROP COLUMN password_hash"))

    assert "password_hash" in alembic(url, "check", expected=255)


def test_up_down_and_up_again_keeps_the_data_of_the_tables_that_stay(url, engine):
    alembic(url, "upgrade", "head")
    with transaction(engine) as session:
        session.add(anna())

    alembic(url, "downgrade", "0001")
    assert set(inspect(engine).get_table_names()) == {"alembic_version", "users", "api_keys"}
    alembic(url, "upgrade", "head")

    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}
    with transaction(engine, reads=True) as session:
        found = session.scalars(select(User)).one()
    assert (found.name, found.role, found.created_at) == ("anna", Role.READER, NOW)
    alembic(url, "downgrade", "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]


ROWS = {
    "users": {"user_id": 1, "name": "anna", "role": "reader", "created": NOW, "tokens_from": NOW},
    "api_keys": {
        "api_key_id": 1, "user_id": 1, "name": "key", "digest": "d",
        "created": NOW, "last_used": NOW, "revoked": NOW,
    },
    "retired_keys": {"digest": "e", "retired": NOW},
    "deployments": {
        "deployment_id": ID, "replica": "host", "model_name": "ontime", "model_version": "1", "model_uri": "model",
        "sha256": {}, "data": {}, "started": NOW, "seen": NOW, "ended": NOW,
    },
    "models": {"model_version": "1", "model_name": "ontime", "reference": {}, "told": NOW},
    "predictions": {
        "prediction_id": ID, "time": NOW, "model_name": "ontime", "model_version": "1", "probability": 0.5, "label": True,
        "threshold": 0.5, "warnings": [], "features": {}, "received": NOW,
    },
    "outcomes": {"prediction_id": ID, "outcome": True, "time": NOW, "received": NOW},
}  # fmt: skip
TYPES = {
    UUID: Uuid,
    datetime: DateTime(timezone=True),
    dict: JSON,
    list: JSON,
    str: String,
    int: Integer,
    float: Double,
    bool: Boolean,
}


def stored(engine):
    with engine.connect() as connection:
        return {name: connection.execute(text(f"SELECT * FROM {name}")).all() for name in ROWS}


def test_moments_get_other_names_and_no_row_changes(url, engine):
    alembic(url, "upgrade", "0005")
    with transaction(engine) as session:
        for partitioned in (Prediction, Outcome):
            partitions.ensure(session, partitioned, [ID])
        for name, row in ROWS.items():
            columns = [column(key, TYPES[type(value)]) for key, value in row.items()]
            session.execute(insert(table(name, *columns)).values(row))
    before = stored(engine)

    alembic(url, "upgrade", "0006")
    assert stored(engine) == before
    with transaction(engine, reads=True) as session:
        key, deployment = session.scalars(select(ApiKey)).one(), session.scalars(select(Deployment)).one()
        assert key.created_at == key.last_used_at == key.revoked_at == NOW
        assert deployment.started_at == deployment.last_seen_at == deployment.ended_at == NOW
        assert session.scalars(select(User.tokens_valid_after)).one() == NOW
        assert (
            session.scalars(select(ModelVersion.updated_at)).one()
            == session.scalars(select(Outcome.received_at)).one()
            == NOW
        )

    alembic(url, "downgrade", "0005")
    assert inspect(engine).get_columns("models")[-1]["name"] == "told"
    assert stored(engine) == before
    alembic(url, "upgrade", "0006")
    assert stored(engine) == before
    alembic(url, "upgrade", "head")
    assert "No new upgrade operations detected" in alembic(url, "check")


def test_an_id_is_given_once_and_no_key_is_lost_on_the_way(url, engine):
    alembic(url, "upgrade", "0006")

    def add(name):
        with transaction(engine) as session:
            session.add(user := User(name=name, role=Role.READER, created_at=NOW, tokens_valid_after=NOW))
            session.flush()
            session.add(key := ApiKey(user_id=user.user_id, name=name, digest=name, created_at=NOW))
            session.flush()
            return user.user_id, key.api_key_id

    kept = add("kept")
    alembic(url, "upgrade", "head")
    removed = add("removed")
    with transaction(engine) as session:
        session.delete(session.get(User, removed[0]))
    added = add("added")

    assert added[0] > removed[0]
    assert added[1] > removed[1]
    with transaction(engine, reads=True) as session:
        assert session.scalars(select(ApiKey.api_key_id).order_by(ApiKey.api_key_id)).all() == [kept[1], added[1]]
    with pytest.raises((IntegrityError, DatabaseUnavailable)), transaction(engine) as session:
        session.add(ApiKey(user_id=removed[0], name="of nobody", digest="x", created_at=NOW))
    alembic(url, "downgrade", "0006")
    with transaction(engine, reads=True) as session:
        assert session.scalars(select(User.name).order_by(User.name)).all() == ["added", "kept"]


@pytest.fixture
def changed_migrations(tmp_path, monkeypatch):
    """A copy of the migrations, which the runner takes for its own, and their newest file."""
    folder = Path(shutil.copytree(migrations_runner.FOLDER, tmp_path / "migrations"))
    monkeypatch.setattr(migrations_runner, "FOLDER", folder)
    migrations_runner.head.cache_clear()
    yield max((folder / "versions").glob("0*.py"))
    migrations_runner.head.cache_clear()


NEWEST = migrations_runner.head()


@pytest.mark.parametrize(
    ("revision", "follows", "reason"),
    [
        (f"{NEWEST}z", None, f"should end in one revision; they end in {NEWEST} and {NEWEST}z. Let one"),
        (NEWEST, None, f"should follow each other; Revision {NEWEST} is present more than once"),
        (f"{NEWEST}z", "000x", "should follow each other; .*000x"),
    ],
    ids=["two heads", "one twice", "one that is missing"],
)
def test_migrations_that_do_not_follow_each_other_are_a_sentence(tmp_path, changed_migrations, revision, follows, reason):
    text = changed_migrations.read_text().replace(f'\nrevision = "{NEWEST}"', f'\nrevision = "{revision}"')
    if follows:
        text = re.sub(r'\ndown_revision = "\d+"', f'\ndown_revision = "{follows}"', text)
    changed_migrations.with_name(f"{NEWEST}_other.py").write_text(text)

    with pytest.raises(MigrationsInvalid, match=reason):
        migrations_runner.upgrade(create_engine_for(f"sqlite:///{tmp_path}/x.db"))


def test_a_database_at_two_revisions_is_a_sentence(url, engine):
    alembic(url, "upgrade", "head")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO alembic_version VALUES ('0000')"))

    with pytest.raises(DatabaseForeign, match=f"it is at '0000, {NEWEST}'"):
        migrations_runner.upgrade(engine)


def test_replicas_that_start_together_migrate_once(url, engine):
    started = [
        subprocess.Popen(["alembic", "upgrade", "head"], env=environment(url), stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = [process.communicate(timeout=60)[1] for process in started]

    assert [process.returncode for process in started] == [0] * 3, "\n".join(told)
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}


def test_a_replica_waits_for_another_that_migrates_longer_than_a_statement_may_take(postgresql_url):
    engine = create_engine_for(postgresql_url, statement_seconds=0.3)
    with engine.connect() as other, ThreadPoolExecutor(1) as replica:
        migrations_runner.hold(other)
        waiting = replica.submit(migrations_runner.upgrade, engine)
        time.sleep(1)
        other.rollback()
        waiting.result()

    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}
    engine.dispose()


def test_services_that_start_together_on_an_empty_database_take_none_for_foreign(url, engine, tmp_path):
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    settings = environment(url, PYTHONPATH="src:db")
    with ExitStack() as opened:
        outputs = [opened.enter_context(log.open("wb")) for log in logs]
        started = [warm_process.start("data_api", settings, output, Path.cwd(), ["migrate"]) for output in outputs]
        statuses = [process.wait(60) for process in started]

    assert statuses == [0] * 4, "\n".join(log.read_text() for log in logs)
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}


def test_whether_a_database_is_foreign_is_looked_at_once_the_others_have_migrated(postgresql_url):
    """Otherwise the tables of a replica that has just committed look like those of another program."""
    engine = create_engine_for(postgresql_url)
    told = []
    event.listen(engine, "before_cursor_execute", lambda *given: told.append(given[2]))
    migrations_runner.upgrade(engine)
    engine.dispose()

    assert "pg_advisory_xact_lock" in told[2]  # after the settings of the transaction


def test_a_transaction_that_fails_leaves_nothing(url, engine):
    alembic(url, "upgrade", "head")
    with pytest.raises(IntegrityError), transaction(engine) as session:
        session.add_all([anna(), anna()])

    with transaction(engine, reads=True) as session:
        assert session.scalars(select(User)).all() == []


def test_a_moment_is_a_range_of_ids():
    moment = datetime(2026, 11, 24, 8, 0, 0, 5000, tzinfo=UTC)
    made = UUID(int=first_at(moment).int | 7 << 76 | 2 << 62)

    assert time_of(made) == moment
    assert made.version == 7
    assert first_at(moment) <= made < first_at(moment.replace(microsecond=6000))
    assert first_at(moment.replace(microsecond=5001)) > made
