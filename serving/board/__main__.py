"""The command line: `python -m board` serves."""

import argparse
import sys

from board import app, settings
from service_kit import server
from service_kit.errors import ServiceError


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a failure that is expected is one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m board", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser(
        "serve", help="follow the log and answer over HTTP (the default); settings come from the environment"
    )
    parser.parse_args(arguments)
    try:
        server.run(app.serve(settings.read()))
    except ServiceError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
