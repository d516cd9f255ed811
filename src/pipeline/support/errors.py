"""The errors that a message explains in full: what was wanted, what was found, what to do."""

import re

MOST_CHARACTERS = 200  # of another library's message; a server may answer a whole page


class OntimeError(Exception):
    """A failure that its message explains in full: shown as one sentence, without a traceback."""


class ParamsInvalid(OntimeError):
    """params.yaml or conf/ holds an unknown key, a wrong type or a value out of range."""


class ParamsStale(OntimeError):
    """params.yaml is not what conf/ composes to."""


class SourceMissing(OntimeError):
    """The data package or the file of the raw tables is missing."""


class TableInvalid(OntimeError):
    """A table cannot be read, or does not have the columns and values that were declared."""


class PeriodEmpty(OntimeError):
    """A part of the split has no rows, or only one class."""


class SchemaMismatch(OntimeError):
    """The columns of a table and those of the model directory differ."""


class ModelMissing(OntimeError):
    """data/model is absent, incomplete or altered."""


class ExportMissing(OntimeError):
    """skl2onnx has no graph for a classifier."""


class ExportInexact(OntimeError):
    """The exported graph and the fitted estimator disagree on a real row."""


def first_line(error: Exception) -> str:
    """The first line of another library's error, without its full stop to fit a sentence; its type where it has none."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return without_password(line).rstrip(".")[:MOST_CHARACTERS]


def without_password(text: str) -> str:
    """Text without what stands in an address before its last @: a password may hold a slash or an @ itself."""
    return re.sub(r"(?<=//)\S*@", "", text)
