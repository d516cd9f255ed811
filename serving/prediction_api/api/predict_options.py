"""The parameters of the routes that predict: ?reasons=true and ?dry_run=true."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from prediction_api.errors import MOST_SHOWN
from prediction_api.model.record_reader import InvalidRecords, Record
from prediction_api.predictor import Options
from service_kit.problems import FieldError, ProblemError

MOST_EXPLAINED = 64  # records of a request with reasons, each of which takes as long as 256
MOST_ERRORS = 20
NO_OPTIONS = Options()
VALUES = {"true": True, "false": False}
DESCRIPTIONS = {
    "reasons": "Also says how many points of probability each topic of columns adds, compared with a typical case "
    f"(exact Shapley values); of at most {MOST_EXPLAINED} records. Not stored.",
    "dry_run": "Stores nothing and counts nothing; `prediction_id` is null, and in a tensor empty.",
}
PARAMETERS: list[dict[str, Any]] = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": text,
        "schema": {"type": "string", "enum": list(VALUES), "default": "false"},
    }
    for name, text in DESCRIPTIONS.items()
]


def read_options(query: bytes) -> Options:
    """The options in a query string; raises ProblemError (422) for an unknown parameter or another value."""
    if not query:
        return NO_OPTIONS
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    if errors := list(_wrong_parameters(pairs)):
        count = "One parameter is" if len(errors) == 1 else f"{len(errors)} parameters are"
        detail = f"{count} not as this route takes them: {' and '.join(DESCRIPTIONS)}, each true or false."
        raise ProblemError(422, detail, errors[:MOST_ERRORS])
    return Options(**{name: VALUES[value] for name, value in pairs})


def check_size(records: Sequence[Record], options: Options, field: str) -> None:
    """Raises InvalidRecords where a request wants the reasons of more than MOST_EXPLAINED records."""
    if options.reasons and len(records) > MOST_EXPLAINED:
        wanted = f"at most {MOST_EXPLAINED} records with reasons=true"
        raise InvalidRecords([FieldError(field, wanted, f"{len(records)} of them")])


def _wrong_parameters(pairs: Sequence[tuple[str, str]]) -> Iterator[FieldError]:
    counts = Counter(name for name, _ in pairs)
    for name, value in dict(pairs).items():
        if name not in DESCRIPTIONS:
            yield FieldError(name[:MOST_SHOWN], " or ".join(DESCRIPTIONS), "an unknown parameter")
        elif counts[name] > 1:
            yield FieldError(name, "true or false, once", f"{counts[name]} of them")
        elif value not in VALUES:
            yield FieldError(name, "true or false", repr(value[:MOST_SHOWN]))
