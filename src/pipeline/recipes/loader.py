"""Finds the recipe that a data set names: the module that turns its raw tables into examples."""

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, cast

import pandas as pd

from pipeline.config.settings import Data
from pipeline.recipes.examples import Examples
from pipeline.support.errors import ParamsInvalid


class Recipe(Protocol):
    """What a recipe module has: ``Options``, its own settings, and ``examples``, which turns raw tables into examples."""

    Options: type[Any]

    def examples(self, tables: Mapping[str, pd.DataFrame], data: Data, options: Any) -> Examples:
        """The examples in the raw tables, by table name; ``options`` are the recipe's ``Options``."""


def load_recipe(name: str) -> Recipe:
    """The module ``src/pipeline/recipes/<name>.py``. Raises ParamsInvalid where there is none, or it is no recipe."""
    try:
        module = importlib.import_module(f"pipeline.recipes.{name}")
        if not (hasattr(module, "examples") and hasattr(module, "Options")):
            raise ModuleNotFoundError(name=f"pipeline.recipes.{name}")
    except ModuleNotFoundError as error:
        if not f"pipeline.recipes.{name}.".startswith(f"{error.name}."):
            raise
        raise ParamsInvalid(
            f"data.recipe is {name!r}; it should name a file in src/pipeline/recipes with `Options` and `examples`, "
            "such as `table`. Correct it in conf/data/ and type `make params`."
        ) from error
    return cast(Recipe, module)
