"""Finds the recipe that a data set names: the module that turns its raw tables into examples."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from pipeline import recipes
from pipeline.config.settings import Data, RawTable
from pipeline.support.errors import ParamsInvalid


def load_recipe(name: str) -> Any:
    """The module ``src/pipeline/recipes/<name>.py``. Raises ParamsInvalid where there is none.

    A recipe has a class ``Options``, its own settings, and a function ``examples(tables, data, options)``, which gives one
    row per case, with the declared columns and the target (0 or 1), and counts the rows that it left out, by reason.

    It gets all tables whole, unless it has a function ``reach(tables, options)``, which names the table of the cases and
    says how far before and after its own time a case looks (`pipeline.recipes.part`). Then ``examples(tables, data, options,
    part)`` is called for each partition of that table; without ``part`` it must give the same for the whole tables.

    A recipe with a live half is a package, by which the columns can be computed from events as they happen. It also has
    ``History(tables, …)``, what is known; ``answer(history, asked, moment)``, the columns of what is asked by name, each
    case as of its moment; ``features(tables, options)``, the columns of every case, by the index of its row;
    ``HISTORY_DAYS``, how far back a moment's columns look; and two modules: ``events``, whose function ``events(tables,
    declared, since, until)`` gives the rows of the raw tables as events by the moment at which they became known, and
    ``live``, which says whose rows are predicted when, and what became of them: ``SUBJECT``, the word for a case, and
    ``TABLE``, which has a row for each; ``moments(rows, options)`` and ``due_at(rows)``, when each is predicted and when it
    takes place, in minutes since 1970; ``outcomes(rows, options)``, True, False, or None where there is none yet;
    ``OUTCOME_DAYS``, after which none is expected; and by table ``LOOK_BACK_DAYS``, how long before a moment an event can
    have become known that matters to it (None: however long), ``ONCE_KNOWN``, the columns whose first value says by itself
    when it came true, and ``SILENT_HOURS``, after which a table without an event counts as silent.
    """
    is_here = name in (module.name for module in pkgutil.iter_modules(recipes.__path__))
    module = importlib.import_module(f"pipeline.recipes.{name}") if is_here else None
    if not (hasattr(module, "Options") and hasattr(module, "examples")):
        raise ParamsInvalid(
            f"data.recipe is {name!r}; it should name a file in src/pipeline/recipes with `Options` and `examples`, "
            "such as `table`. Correct it in conf/data/ and type `make params`."
        )
    return module


def load_part(recipe: str, part: str) -> Any:
    """A module of a recipe with a live half: ``events`` or ``live``."""
    return importlib.import_module(f"pipeline.recipes.{recipe}.{part}")


def event_tables(data: Data) -> Mapping[str, RawTable]:
    """The tables from whose events the recipe computes the columns; none where it has no module ``events``.

    Raises ParamsInvalid where one of them has no key, by which an event names its row.
    """
    folder = getattr(load_recipe(data.recipe), "__path__", ())
    if "events" not in (module.name for module in pkgutil.iter_modules(folder)):
        return {}
    if without := [f"data.tables.{name}.key" for name, table in data.tables.items() if not table.key]:
        raise ParamsInvalid(
            f"{', '.join(without)} should name the columns by which an event of the recipe {data.recipe} names its row; "
            "nothing is declared. Declare it in conf/data/ and type `make params`."
        )
    return data.tables
