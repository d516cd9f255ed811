"""The command line: `python -m data_api` serves; `migrate`, `drop-month`, `password` and `secret` do one thing."""

import argparse
import getpass
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import make_url

from data_api.errors import DatabaseForeign, InvalidPassword, UserMissing
from service_kit.errors import ServiceError

SECRET_BYTES = 32


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a failure that was foreseen is one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m data_api", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="serve over HTTP (the default); settings come from the environment")
    commands.add_parser("migrate", help="bring the database of DATABASE_URL to the schema of this version, as serving does")
    drop = commands.add_parser("drop-month", help="remove the predictions and outcomes of a month for good")
    drop.add_argument("month", type=_month, help="such as 2024-01; it must be over")
    drop.add_argument("--yes", action="store_true", help="do not ask")
    password = commands.add_parser(
        "password", help="give a user another password: asked for, or the first line of what is piped in"
    )
    password.add_argument("name", help="of the user, such as admin")
    commands.add_parser("secret", help="make a random secret, for JWT_SECRET or FIRST_SERVICE_KEY")
    given = parser.parse_args(arguments)
    try:
        by_name = {"migrate": _migrate, "drop-month": _drop_month, "password": _password, "secret": _secret}
        by_name.get(given.command, _serve)(given)
    except ServiceError as error:
        sys.exit(f"error: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)


def _serve(_given: argparse.Namespace) -> None:
    from data_api import app, settings
    from service_kit import server

    server.run(app.serve(settings.read()))


def _migrate(_given: argparse.Namespace) -> None:
    from data_api import settings
    from data_api.database import migrations_runner
    from data_api.database.engine import create_engine_for

    engine = create_engine_for(settings.read().url)
    migrations_runner.upgrade(engine)
    print(f"{engine.url.render_as_string()} is at revision {migrations_runner.head()}")


def _drop_month(given: argparse.Namespace) -> None:
    from data_api import settings
    from data_api.database import migrations_runner, partitions
    from data_api.database.engine import create_engine_for, transaction

    url = settings.read().url
    _refuse_missing_file(url)
    engine = create_engine_for(url, statement_seconds=0)
    migrations_runner.refuse_other(engine)
    where = f"{given.month:%Y-%m} of {engine.url.render_as_string()}"
    if not given.yes and _asked(f"Remove all predictions and outcomes of {where}, for good? Type yes: ") != "yes":
        sys.exit("Nothing was removed.")
    with transaction(engine) as session:
        dropped = partitions.drop(session, given.month)
    print(f"{where}: removed " + " and ".join(f"{rows:,} {table}" for table, rows in dropped.items()))


def _refuse_missing_file(url: str) -> None:
    """Raises DatabaseForeign for a SQLite file that opening would make."""
    file = make_url(url).database
    if url.startswith("sqlite") and not Path(str(file)).exists():
        raise DatabaseForeign(f"DATABASE_URL should name a database that is there; there is no {file}.")


def _asked(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        sys.exit("Nobody is there to answer, and nothing was removed. To remove without a question, add --yes.")


def _password(given: argparse.Namespace) -> None:
    from data_api import settings
    from data_api.auth.passwords import Passwords
    from data_api.crud import users
    from data_api.database import migrations_runner
    from data_api.database.engine import create_engine_for, transaction

    url = settings.read().url
    _refuse_missing_file(url)
    engine = create_engine_for(url)
    migrations_runner.refuse_other(engine)
    password_hash = Passwords().hash(_fit(_typed(f"The new password of {given.name}: ")))
    with transaction(engine) as session:
        user = users.get_by_name(session, given.name)
        if user is None:
            names = ", ".join(other.name for other in users.list_all(session)) or "nobody"
            raise UserMissing(f"There should be a user {given.name!r}; there is {names}. Name one of them.")
        users.update(session, user, None, password_hash, datetime.now(UTC))
    print(f"{given.name} has another password in {engine.url.render_as_string()}; tokens issued before count no more")


def _typed(question: str) -> str:
    """A line from a terminal, unseen and typed twice, or from a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed = getpass.getpass(question)
    if getpass.getpass("Again: ") != typed:
        raise InvalidPassword("The password should be the same both times; it was not, and nothing changed. Type it again.")
    return typed


def _fit(password: str) -> str:
    """The password as it is; raises InvalidPassword for one that the service would refuse too."""
    from data_api.schemas.users import Password

    try:
        TypeAdapter(Password).validate_python(password)
    except ValidationError as error:
        raise InvalidPassword(
            f"The password should have 12 to 256 characters; this one has {len(password)}. Choose another one."
        ) from error
    return password


def _secret(_given: argparse.Namespace) -> None:
    print(secrets.token_urlsafe(SECRET_BYTES))


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
