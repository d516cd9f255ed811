"""The data set that conf/ composes by default, the flights, and its raw tables."""

import pandas as pd

from pipeline.config.params_file import read_params
from pipeline.config.settings import Data
from pipeline.data import sources, table_io
from pipeline.params import compose


def default_data() -> Data:
    """The settings of the flights."""
    return read_params(compose.compose()).data


def read_tables(data: Data) -> dict[str, pd.DataFrame]:
    """The raw tables of a data set, by name."""
    files = sources.locate(data)
    return {name: table_io.read_source(files[name], table).to_pandas() for name, table in data.tables.items()}
