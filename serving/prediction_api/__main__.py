"""The command line: `python -m prediction_api` serves; `score` predicts a file, `check` opens a model, `key` makes a key."""

import argparse
import sys
from pathlib import Path

from prediction_api.errors import TableUnreadable
from service_kit.errors import ServiceError, SettingsInvalid


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a failure that is expected is one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m prediction_api", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="serve predictions over HTTP (the default); settings come from the environment")
    score = commands.add_parser("score", help="predict every row of a CSV or Parquet file")
    score.add_argument(
        "input", type=Path, help="a CSV or Parquet file, as for training, with the columns of the model's schema"
    )
    score.add_argument("output", type=Path, help="the .csv or .parquet file to write: the probability and label of each row")
    check = commands.add_parser("check", help="open a model as the service does, and say why if that is not possible")
    for command in (score, check):
        command.add_argument("--model", type=Path, default=Path("data/model"), help="its directory (default: %(default)s)")
    key = commands.add_parser("key", help="make an API key, and the pair for API_KEYS or ADMIN_KEYS")
    key.add_argument("name", help="who will use it: letters, digits, . _ -")
    args = parser.parse_args(arguments)
    try:
        {"score": _score, "check": _check, "key": _key}.get(args.command, _serve)(args)
    except ServiceError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _serve(_args: argparse.Namespace) -> None:
    from prediction_api import app, settings
    from service_kit import server

    server.run(app.serve(settings.read()))


def _score(args: argparse.Namespace) -> None:
    try:
        from prediction_api.batch import batch_predict
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise TableUnreadable(
            "`score` reads and writes files with pyarrow, which is not installed here. Install the extra `score` "
            "(`pip install '.[score]'` in the repository), or pyarrow alone (`pip install pyarrow`)."
        ) from error
    batch_predict.score(args.input, args.output, args.model)


def _check(args: argparse.Namespace) -> None:
    from prediction_api.model import artifact
    from prediction_api.model.onnx_model import OnnxModel

    model = OnnxModel(artifact.read(args.model))
    print(f"{args.model} can be served: {model.name} {model.version}")


def _key(args: argparse.Namespace) -> None:
    from service_kit import api_keys, caller_keys

    if not caller_keys.NAME.fullmatch(args.name):
        raise SettingsInvalid(f"The name of a key should be 1 to 64 letters, digits, or . _ -; it is {args.name!r}.")
    key = api_keys.new()
    pair = f"{args.name}:{api_keys.digest(key)}"
    print(f"key, for the header X-API-Key; it is shown this once:\n  {key}\npair, for API_KEYS or ADMIN_KEYS:\n  {pair}")


if __name__ == "__main__":
    main()
