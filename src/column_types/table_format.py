"""How a file writes its values: what a person declares of a table travels with the model, in its ``schema.json``."""

import codecs
import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

# The codes of strptime that Arrow reads as Python does: it passes over weeks (%V), and knows no fractions of seconds (%f).
CODES = frozenset(f"%{code}" for code in "ABDFHIMRSTYabdehjmpsyz%")
CODE = re.compile(r"%(.?)", re.DOTALL)
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null")


def _codec_name(encoding: str) -> str:
    """The name that Python has for an encoding."""
    try:
        "".encode(encoding)  # base64 and rot13 are codecs too, but not of text
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise ValueError("Input should be an encoding of text that Python knows, such as latin-1") from error


def _check_ascii(sign: str) -> str:
    if not sign.isascii() or sign in "\r\n":
        raise ValueError("Input should be one ASCII character and no line break, such as ;")
    return sign


def _check_codes(pattern: str) -> str:
    unknown = sorted({f"%{code}" for code in CODE.findall(pattern)} - CODES)
    if unknown or "%" not in pattern:
        cure = "; without a format, fractions of a second are read" if "%f" in unknown else ""
        raise ValueError(
            f"Input should be a format of {', '.join(sorted(CODES))}, such as %d.%m.%Y"
            f"{f'; it has {unknown[0]}' if unknown else ''}{cure}"
        )
    return pattern


DatetimeFormat = Annotated[str, AfterValidator(_check_codes)]
Sign = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_check_ascii)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class TableFormat:
    """The texts that mean no value, and of a CSV file its separator, encoding, decimal point and lines before the header."""

    missing: tuple[str, ...] = MISSING
    separator: Sign | None = None  # a comma, or a tab in .tsv files
    encoding: Annotated[str, AfterValidator(_codec_name)] = "utf-8"
    decimal: Sign = "."
    skip_rows: Annotated[int, Field(ge=0)] = 0
