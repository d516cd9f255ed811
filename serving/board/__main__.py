"""The command line: `python -m board` serves; `audit` works the features of stored predictions out again, and compares."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from board import app, settings
from board.app_state import AppState
from board.errors import AuditImpossible
from board.tracking.source import Source
from service_kit import logs, server
from service_kit.errors import ServiceError


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a failure that is expected is one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m board", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser(
        "serve", help="follow the log and answer over HTTP (the default); settings come from the environment"
    )
    audit = commands.add_parser(
        "audit",
        help="compare official predictions with the log; exit status 1 where features differ from the log as it stood",
    )
    audit.add_argument(
        "--since", type=_moment, help="the first moment, such as 2013-10-01 (default: a day before the watermark)"
    )
    audit.add_argument("--until", type=_moment, help="the moment to stop before (default: the watermark of the log)")
    args = parser.parse_args(arguments)
    try:
        if args.command == "audit":
            sys.exit(asyncio.run(_audit(args.since, args.until)))
        server.run(app.serve(settings.read()))
    except ServiceError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


async def _audit(since: datetime | None, until: datetime | None) -> int:
    """Prints what an audit finds; gives the exit status."""
    known = settings.read()
    logs.configure(known.log_level, "board")
    service = AppState(known)
    try:
        model = await service.predictor.model()
        if not model["schema"].get("source"):
            raise AuditImpossible(
                "The model's columns do not come from events, so there is nothing to compare with the log."
            )
        watermark = (await service.data_service.log_state())["watermark"]
        if watermark is None:
            raise AuditImpossible("The event log should hold the events behind the predictions; it is empty.")
        until = until or datetime.fromisoformat(watermark)
        result = await service.auditor.audit(Source(model), since or until - timedelta(days=1), until)
    finally:
        await service.data_service.close()
        await service.predictor.close()
    print(result.sentence())
    return 1 if result.mismatches else 0


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"it should be a moment, such as 2013-10-01T12:00:00Z; it is {text!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
