"""The command line: `python -m data_api` serves; `migrate`, `drop-month`, `password` and `secret` do one thing."""

import argparse
import getpass
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine, make_url

from data_api import app, settings
from data_api.auth.passwords import Passwords
from data_api.crud import users
from data_api.database import migrations_runner, partitions
from data_api.database.engine import create_engine_for, transaction
from data_api.errors import DatabaseForeign
from data_api.schemas.users import Password
from service_kit import server
from service_kit.errors import ServiceError

SECRET_BYTES = 32


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a failure that was foreseen is one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m data_api", description=__doc__)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(metavar="COMMAND")
    commands.add_parser("serve", help="serve over HTTP (the default); settings come from the environment")
    migrate = commands.add_parser(
        "migrate", help="bring the database of DATABASE_URL to this version's schema, as serving does"
    )
    migrate.set_defaults(run=_migrate)
    drop = commands.add_parser("drop-month", help="remove the predictions, outcomes and events of a month for good")
    drop.add_argument("month", type=_month, help="such as 2024-01; it must be over")
    drop.add_argument("--yes", action="store_true", help="do not ask")
    drop.set_defaults(run=_drop_month)
    password = commands.add_parser("password", help="set the password of a user; it is asked for, or read from a pipe")
    password.add_argument("name", help="of the user, such as admin")
    password.set_defaults(run=_set_password)
    secret = commands.add_parser("secret", help="make a random secret, for JWT_SECRET or FIRST_SERVICE_KEY")
    secret.set_defaults(run=lambda _options: print(secrets.token_urlsafe(SECRET_BYTES)))
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except ServiceError as error:
        sys.exit(f"error: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)


def _serve(_options: argparse.Namespace) -> None:
    server.run(app.serve(settings.read()))


def _migrate(_options: argparse.Namespace) -> None:
    engine = create_engine_for(settings.read().url)
    migrations_runner.upgrade(engine)
    print(f"{engine.url.render_as_string()} is at revision {migrations_runner.head()}")


def _drop_month(options: argparse.Namespace) -> None:
    engine = _existing_database(statement_seconds=0)
    where = f"{options.month:%Y-%m} of {engine.url.render_as_string()}"
    if not options.yes and _ask(f"Remove all predictions, outcomes and events of {where}, for good? Type yes: ") != "yes":
        sys.exit("Nothing was removed.")
    with transaction(engine) as session:
        dropped = partitions.drop(session, options.month)
    *others, last = [f"{rows:,} {table}" for table, rows in dropped.items()]
    print(f"{where}: removed {', '.join(others)} and {last}")


def _set_password(options: argparse.Namespace) -> None:
    engine = _existing_database()
    password_hash = Passwords().hash(_read_valid_password(f"The new password of {options.name}: "))
    with transaction(engine) as session:
        user = users.get_by_name(session, options.name)
        if user is None:
            names = ", ".join(other.name for other in users.list_all(session)) or "nobody"
            raise ServiceError(f"There should be a user {options.name!r}; there is {names}. Name one of them.")
        users.update(session, user, None, password_hash, datetime.now(UTC))
    print(f"{options.name} has another password in {engine.url.render_as_string()}; earlier tokens are invalid")


def _existing_database(statement_seconds: float = 30) -> Engine:
    """The database of DATABASE_URL; raises DatabaseForeign if it is not there, or not at the schema of this version."""
    address = make_url(settings.read().url)
    if address.get_backend_name() == "sqlite" and not Path(str(address.database)).exists():
        raise DatabaseForeign(f"DATABASE_URL should name a database that is there; there is no {address.database}.")
    engine = create_engine_for(address.render_as_string(hide_password=False), statement_seconds=statement_seconds)
    migrations_runner.refuse_other(engine)
    return engine


def _ask(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        sys.exit("Nobody is there to answer, and nothing was removed. To remove without a question, add --yes.")


def _read_password(question: str) -> str:
    """A line from a terminal, unseen and typed twice, or the first line of a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin.buffer.readline().rstrip(b"\r\n").decode()
    password = getpass.getpass(question)
    if getpass.getpass("Again: ") != password:
        raise ServiceError("The password should be the same both times; it was not, and nothing changed. Type it again.")
    return password


def _read_valid_password(question: str) -> str:
    """A password that somebody types; raises ServiceError for one that the service would refuse too."""
    try:
        password = _read_password(question)
        TypeAdapter(Password).validate_python(password)
    except UnicodeDecodeError as error:
        raise ServiceError(
            "The password should be text in UTF-8; this one is not. Type it in a terminal of UTF-8."
        ) from error
    except ValidationError as error:
        raise ServiceError(
            f"The password should have 12 to 256 characters; this one has {len(password)}. Choose another one."
        ) from error
    return password


def _month(text: str) -> datetime:
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"should be a month such as 2024-01, not {text!r}") from None
    if (month.year, month.month) >= ((now := datetime.now(UTC)).year, now.month):
        raise argparse.ArgumentTypeError(f"should be over; {text} is not")
    return month


if __name__ == "__main__":
    main()
