"""Settings and the first start: secrets of its own outside development, one admin once, and no database of others."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url, text

from data_api.app import create_app
from data_api.auth import bootstrap
from data_api.auth.passwords import Passwords
from data_api.crud import api_keys, users
from data_api.database.engine import create_engine_for, transaction
from data_api.database.migrations_runner import upgrade
from data_api.errors import DatabaseForeign
from data_api.models import Role
from data_api.settings import DEVELOPMENT, DEVELOPMENT_DATABASE, Settings, read
from service_kit.errors import SettingsInvalid

LONG = "x" * 32
PRODUCTION = {"environment": "production", "jwt_secret": LONG, "first_admin_password": LONG, "first_service_key": LONG}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"jwt_secret": None}, "JWT_SECRET is not set"),
        ({"jwt_secret": "tiny-and-few"}, "JWT_SECRET has 12 characters, and should have 32 or more"),
        ({"jwt_secret": DEVELOPMENT["jwt_secret"]}, "JWT_SECRET is the default of development"),
        ({"first_admin_password": "tiny-1"}, "FIRST_ADMIN_PASSWORD has 6 characters, and should have 12 or more"),
        ({"first_admin_password": DEVELOPMENT["first_admin_password"]}, "FIRST_ADMIN_PASSWORD is the default"),
        ({"first_service_key": DEVELOPMENT["first_service_key"]}, "FIRST_SERVICE_KEY is the default"),
        ({"first_service_key": "tiny-1"}, "FIRST_SERVICE_KEY has 6 characters"),
        (
            {"database_url": "postgresql+psycopg://ontime@host/ontime", "database_password": "tiny-1"},
            "the password in DATABASE_URL, has 6 characters, and should have 12 or more",
        ),
    ],
)
def test_weak_secrets_stop_the_start_outside_development(changes, said):
    with pytest.raises(SettingsInvalid) as caught:
        read(**PRODUCTION | changes)

    assert said in str(caught.value)
    assert "`python -m data_api secret` makes one." in str(caught.value)
    assert not {"tiny-1", "tiny-and-few", LONG} & set(str(caught.value).replace(".", " ").split())
    assert DEVELOPMENT["first_service_key"] not in str(caught.value)


def test_secrets_of_its_own_are_enough_outside_development():
    settings = read(**PRODUCTION)

    assert settings.defaults_in_use == []
    assert read(**PRODUCTION | {"first_admin_password": None}).secret("first_admin_password") is None


def test_development_has_secrets_and_says_which(monkeypatch):
    for name in DEVELOPMENT:
        monkeypatch.delenv(name.upper(), raising=False)

    assert read().defaults_in_use == ["JWT_SECRET", "FIRST_ADMIN_PASSWORD", "FIRST_SERVICE_KEY"]
    assert read(jwt_secret="short").secret("jwt_secret") == "short"


@pytest.mark.parametrize(
    "url", ["mysql://user:secret@host/name", "no url", "sqlite+aiosqlite:///x", "postgresql+psycopg2://a:secret@b/c"]
)
def test_a_database_of_another_kind_is_refused_without_its_password(url):
    with pytest.raises(SettingsInvalid, match="DATABASE_URL: should be sqlite:///PATH or postgresql") as caught:
        read(database_url=url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://user@host/name?password=secret", "holds a password after"),
        ("postgresql://user:secret@host:x/name", "its port is no number"),
        ("postgresql://user:sec@secret@host/name", "holds a @ or a / as it is; write %40"),  # pragma: allowlist secret
        ("postgresql://us/er:secret@host/name", "holds a @ or a / as it is; write %40"),
        (
            "postgresql://user:sec@ret/secret@host:5432/name",  # pragma: allowlist secret
            "holds a @ or a / as it is; write %40",
        ),  # pragma: allowlist secret
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///file::memory:?uri=true", "names no file"),
    ],
)
def test_an_address_that_cannot_be_used_is_said_in_a_sentence(url, said):
    with pytest.raises(SettingsInvalid, match=said) as caught:
        read(database_url=url)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path):
    (tmp_path / "x.md").write_text("# A page")
    with pytest.raises(DatabaseForeign, match=r"should name a SQLite file; .*x\.md is none\."):
        create_engine_for(f"sqlite:///{tmp_path}/x.md")
    assert (tmp_path / "x.md").read_text() == "# A page"


def test_a_file_that_cannot_be_made_is_a_sentence_and_a_folder_keeps_its_mode(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(DatabaseForeign, match=rf"SQLite file that this user may write; {tmp_path}/taken/x.db: "):
        create_engine_for(f"sqlite:///{tmp_path}/taken/x.db")
    mode = tmp_path.stat().st_mode
    with pytest.raises(DatabaseForeign, match=rf"should name a SQLite file; {tmp_path} is a folder or a device\."):
        create_engine_for(f"sqlite:///{tmp_path}")
    assert tmp_path.stat().st_mode == mode


def test_a_user_who_may_make_no_tables_is_told_so(postgresql_url):
    engine = create_engine_for(postgresql_url)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS weak"))
        connection.execute(text("CREATE ROLE weak LOGIN"))
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM public"))
    weak = create_engine_for(engine.url.set(username="weak").render_as_string(hide_password=False))
    with pytest.raises(DatabaseForeign, match="should be allowed to make tables; the database says permission denied"):
        upgrade(weak)
    weak.dispose()
    engine.dispose()


def test_every_faulty_variable_is_named():
    with pytest.raises(SettingsInvalid, match=r"DATA_API_PORT: .*; TOKEN_MINUTES: .*"):
        read(data_api_port="x", token_minutes=-1)


USER, OWN = "postgresql://user@host/name", "postgresql://user:own@host/name"  # pragma: allowlist secret


@pytest.mark.parametrize(
    ("url", "password", "found"),
    [
        (USER, "p@ss/w:rd%", "p@ss/w:rd%"),
        ("postgresql://user:@host/name", "given", "given"),
        (OWN, "given", "own"),
        (USER, None, None),
        ("postgresql://host/name", "given", None),
        ("sqlite:///a.db", "given", None),
    ],
)
def test_the_password_of_the_database_may_be_a_setting_of_its_own(url, password, found):
    settings = read(database_url=url, database_password=password)

    assert make_url(settings.url).password == found
    assert make_url(settings.url).set(password="x") == make_url(url).set(password="x")
    assert "given" not in repr(settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"database_url": USER, "database_password": DEVELOPMENT_DATABASE},
        {"database_url": OWN.replace("own", DEVELOPMENT_DATABASE)},
    ],
    ids=["by itself", "in the address"],
)
def test_the_password_of_the_database_of_development_stops_the_start_outside_it(changes):
    with pytest.raises(
        SettingsInvalid, match="DATABASE_PASSWORD, or the password in DATABASE_URL, is the default"
    ) as caught:
        read(**PRODUCTION | changes)

    assert DEVELOPMENT_DATABASE not in str(caught.value)
    assert read(**changes).defaults_in_use[-1] == "DATABASE_PASSWORD"


@pytest.fixture
def secret(monkeypatch, tmp_path):
    """A function that puts a secret into a file of the folder that SECRETS_DIR names; no variable holds one."""
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return lambda name, content: (tmp_path / name).write_text(content)


SECRETS = [name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)]


@pytest.mark.parametrize("name", SECRETS)
def test_each_secret_may_be_a_file_of_its_name(secret, name):
    content = {"database_url": "sqlite:///a.db", "data_api_heartbeat_url": "http://kuma:3001/api/push/a"}.get(name, LONG)
    secret(name, f"{content}\n")

    assert str(getattr(read(), name).get_secret_value()) == content


def test_the_environment_wins_over_a_file_unless_it_is_empty(secret, monkeypatch):
    secret("jwt_secret", "of the file")
    secret("first_admin_password", "\n")
    for given, found in (("of the environment",) * 2, ("", "of the file")):
        monkeypatch.setenv("JWT_SECRET", given)
        assert read().secret("jwt_secret") == found

    assert read().first_admin_password is None


def test_production_starts_on_files_alone(secret):
    for name, content in PRODUCTION.items():
        secret(name, content)

    assert read().environment == "production"


def test_a_folder_of_secrets_that_is_not_there_is_nobodys_fault(monkeypatch, tmp_path, recwarn):
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "nowhere"))

    assert read().data_api_port == 8001
    assert recwarn.list == []


def test_a_secret_that_cannot_be_read_is_named_by_its_file(secret, tmp_path):
    (tmp_path / "jwt_secret").mkdir()

    with pytest.raises(
        SettingsInvalid, match=rf"SECRETS_DIR={tmp_path} should hold .* file of text; .* directory: .*jwt_secret"
    ):
        read()


@pytest.fixture
def told(caplog, monkeypatch):
    """A function that counts the log records with a text in their message."""
    caplog.set_level("INFO", "data_api")
    monkeypatch.setattr(logging.getLogger("data_api"), "propagate", True)
    return lambda text: sum(text in record.message for record in caplog.records)


@pytest.fixture
def log_in(make_client):
    """A function that starts the service anew on the same database, and logs in."""

    def start(password, **settings):
        client = make_client(**settings)
        return client.post(
            "/token", data={"username": settings.get("first_admin", "admin"), "password": password}
        ).status_code

    return start


def test_the_first_admin_is_made_once(log_in):
    assert log_in("the first password", first_admin_password="the first password") == 200

    assert log_in("another password", first_admin_password="another password") == 401
    assert log_in("the first password", first_admin_password="another password") == 200
    assert log_in("another password", first_admin_password="another password", first_admin="other") == 401


@pytest.mark.parametrize(
    "missing", [["FIRST_ADMIN_PASSWORD"], ["FIRST_SERVICE_KEY"], ["FIRST_ADMIN_PASSWORD", "FIRST_SERVICE_KEY"]]
)
def test_an_empty_database_outside_development_wants_all_its_secrets(make_settings, log_in, missing):
    with pytest.raises(SettingsInvalid, match=f"empty database requires {' and '.join(missing)}, so that"):
        asyncio.run(open_and_close(make_settings(**PRODUCTION | {name.lower(): None for name in missing})))

    assert log_in(LONG, **PRODUCTION) == 200
    later = PRODUCTION | {"first_admin_password": None, "first_service_key": None}
    assert log_in(LONG, **later) == 200


def test_a_start_without_any_secret_names_them_all():
    with pytest.raises(
        SettingsInvalid, match="JWT_SECRET is not set, nor FIRST_ADMIN_PASSWORD and FIRST_SERVICE_KEY, which"
    ):
        read(environment="production")


def test_production_ends_the_key_and_the_password_of_development(make_client, log_in, as_service, told):
    make_client()

    client = make_client(**PRODUCTION)

    assert client.get("/me", headers=as_service).status_code == 401
    assert client.get("/me", headers={"x-api-key": LONG}).json()["role"] == "service"
    assert log_in("development", **PRODUCTION) == 401
    assert log_in(LONG, **PRODUCTION) == 200
    assert told("the service key of development") == told("the password of an admin was the one") == 1


def test_tokens_of_before_end_with_the_password_of_development(make_client):
    secret = {"jwt_secret": LONG}
    before = make_client(**secret).post("/token", data={"username": "admin", "password": "development"}).json()
    client = make_client(**PRODUCTION)

    assert client.get("/me", headers={"authorization": f"Bearer {before['access_token']}"}).status_code == 401


def test_production_without_another_password_does_not_start_on_the_one_of_development(make_client, make_settings):
    make_client()
    with pytest.raises(SettingsInvalid, match=r"the admin 'admin' has it\. Set FIRST_ADMIN_PASSWORD, which becomes theirs"):
        asyncio.run(open_and_close(make_settings(**PRODUCTION | {"first_admin_password": None})))


def test_it_is_said_where_the_first_password_has_no_effect(make_client, told):
    make_client(**PRODUCTION)
    assert told("FIRST_ADMIN_PASSWORD is not used") == 0
    make_client(**PRODUCTION)
    assert told("FIRST_ADMIN_PASSWORD is not used") == 1


def test_a_key_that_went_with_its_user_stays_away_and_another_one_comes(make_client, as_service, told):
    client = make_client()
    form = {"username": "admin", "password": "development"}
    admin = {"authorization": f"Bearer {client.post('/token', data=form).json()['access_token']}"}
    me = client.get("/me", headers=as_service).json()
    assert client.delete(f"/users/{me['user_id']}", headers=admin).status_code == 204

    assert make_client().get("/me", headers=as_service).status_code == 401
    assert told("FIRST_SERVICE_KEY was deleted with its user") == 1
    client.post("/users", json={"name": "prediction-service", "role": "service"}, headers=admin)
    assert make_client().get("/me", headers=as_service).status_code == 401

    new = {"x-api-key": "y" * 40}
    client = make_client(first_service_key="y" * 40)
    assert client.get("/me", headers=new).json()["name"] == "prediction-service"
    assert client.get("/me", headers=as_service).status_code == 401


@pytest.mark.parametrize("key", ["y" * 40, DEVELOPMENT["first_service_key"]], ids=["new", "known"])
def test_a_first_key_of_a_user_who_is_no_service_stops_the_start(make_client, engine, make_settings, key):
    with transaction(engine) as session:
        users.update(session, users.get_by_name(session, "prediction-service"), Role.ADMIN, None, datetime.now(UTC))

    with pytest.raises(SettingsInvalid, match=r"'prediction-service' has the role admin\. Leave it empty"):
        asyncio.run(open_and_close(make_settings(first_service_key=key)))
    assert make_client().get("/readyz").status_code == 200


def test_a_first_admin_whose_name_is_another_ones_but_for_its_case_is_not_made(make_client, engine, told):
    with transaction(engine) as session:
        users.get_by_name(session, "admin").role = Role.READER

    assert make_client(first_admin="Admin").get("/readyz").status_code == 200
    assert told("FIRST_ADMIN is the name of another user") == 1


def test_the_first_key_is_made_once_and_stays_revoked(make_client, engine, as_service):
    def works():
        return make_client().get("/me", headers=as_service).status_code == 200

    assert works()
    with transaction(engine) as session:
        (key,) = api_keys.list_all(session)
        api_keys.revoke(session, key, key.created_at)

    assert not works()


def test_a_changed_first_key_is_made_beside_the_old_one(make_client, as_service):
    new = {"x-api-key": "y" * 40}
    make_client()
    client = make_client(first_service_key="y" * 40)

    assert [client.get("/me", headers=headers).json()["name"] for headers in (new, as_service)] == ["prediction-service"] * 2


async def open_and_close(settings):
    service = create_app(settings).state.service
    try:
        await service.open()
    finally:
        await service.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE alembic_version SET version_num = 'fffff'", "it is at 'fffff'"),
        ("DROP TABLE alembic_version", "it has a table 'api_keys' that they did not make"),
    ],
)
def test_a_database_of_another_program_stops_the_start(url, make_settings, statement, said):
    engine = create_engine_for(url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()

    with pytest.raises(DatabaseForeign, match=said) as caught:
        asyncio.run(open_and_close(make_settings()))
    assert "DATABASE_URL" in str(caught.value)


def test_replicas_that_start_together_make_one_admin(make_settings, url):
    engine, settings = create_engine_for(url), make_settings()

    upgrade(engine)

    def start(_):
        with transaction(engine) as session:
            bootstrap.ensure(session, settings, Passwords())

    with ThreadPoolExecutor(4) as replicas:
        list(replicas.map(start, range(4)))

    with transaction(engine, reads=True) as session:
        assert [user.name for user in users.list_all(session)] == ["admin", "prediction-service"]
        assert len(api_keys.list_all(session)) == 1
    engine.dispose()
