"""The command line: `python -m data_api` serves; `migrate`, `drop-month` and `secret` do one thing."""

import argparse
import asyncio
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import make_url

from data_api.errors import DataApiError, DatabaseForeign

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
    commands.add_parser("secret", help="make a random secret, for JWT_SECRET or FIRST_SERVICE_KEY")
    given = parser.parse_args(arguments)
    try:
        {"migrate": _migrate, "drop-month": _drop_month, "secret": _secret}.get(given.command, _serve)(given)
    except DataApiError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _serve(_given: argparse.Namespace) -> None:
    from data_api import app, settings

    read = settings.read()
    try:
        import uvloop
    except ImportError:
        asyncio.run(app.serve(read))
    else:
        uvloop.run(app.serve(read))


def _migrate(_given: argparse.Namespace) -> None:
    from data_api import database, migrating, settings

    engine = database.engine_of(settings.read().url)
    migrating.upgrade(engine)
    print(f"{engine.url.render_as_string()} is at revision {migrating.head()}")


def _drop_month(given: argparse.Namespace) -> None:
    from data_api import database, migrating, settings
    from data_api.crud import months

    url = settings.read().url
    _refuse_missing_file(url)
    engine = database.engine_of(url, statement_seconds=0)
    migrating.refuse_other(engine)
    where = f"{given.month:%Y-%m} of {engine.url.render_as_string()}"
    if not given.yes and _asked(f"Remove all predictions and outcomes of {where}, for good? Type yes: ") != "yes":
        sys.exit("Nothing was removed.")
    with database.transaction(engine) as session:
        dropped = months.drop(session, given.month)
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
