"""Finds the recipe that a data set names: the module that turns its raw tables into examples."""

import importlib
import pkgutil
from typing import Any

from pipeline import recipes
from pipeline.support.errors import ParamsInvalid


def load_recipe(name: str) -> Any:
    """The module ``src/pipeline/recipes/<name>.py``. Raises ParamsInvalid where there is none.

    A recipe has a class ``Options``, its own settings, and a function ``examples(tables, data, options)``, which gives one
    row per case, with the declared columns and the target (0 or 1), and counts the rows that it left out, by reason.
    """
    is_here = name in (module.name for module in pkgutil.iter_modules(recipes.__path__))
    module = importlib.import_module(f"pipeline.recipes.{name}") if is_here else None
    if not (hasattr(module, "Options") and hasattr(module, "examples")):
        raise ParamsInvalid(
            f"data.recipe is {name!r}; it should name a file in src/pipeline/recipes with `Options` and `examples`, "
            "such as `table`. Correct it in conf/data/ and type `make params`."
        )
    return module
