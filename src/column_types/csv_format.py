"""How CSV files of a declared format are read: its separator, encoding, missing values and lines before the header."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from pyarrow import csv

from column_types.table_format import TableFormat


def csv_options(form: TableFormat, text: Iterable[str], is_tsv: bool = False) -> dict[str, Any]:
    """What pyarrow's CSV readers take for a file of some format; the columns ``text`` are read as they are written."""
    return {
        "read_options": csv.ReadOptions(encoding=form.encoding, skip_rows=form.skip_rows),
        "parse_options": csv.ParseOptions(delimiter=form.separator or ("\t" if is_tsv else ","), newlines_in_values=True),
        "convert_options": csv.ConvertOptions(
            column_types=dict.fromkeys(text, pa.string()),
            null_values=form.missing,
            strings_can_be_null=True,
            decimal_point=form.decimal,
        ),
    }
