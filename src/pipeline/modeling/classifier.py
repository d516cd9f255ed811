"""The classifier that conf/model names: its parameters checked, by its own class where that can, and the class called."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.utils import get_class, instantiate
from sklearn.utils import get_tags

from pipeline.config.parsing import explain, not_a_setting, parse_settings
from pipeline.config.settings import LIGHTGBM, Model
from pipeline.modeling.boosting_parameters import BoostingParameters
from pipeline.support.errors import ParamsInvalid

SEED = "random_state"  # train.seed gives it
# scikit-learn takes any rate above 0. Above 1 each tree overshoots what is left to learn, and boosting diverges.
HIGHEST_LEARNING_RATE = 1.0
SPLITTABLE = 20  # leaves that a small table can fill: a leaf needs no more than this share of its rows
SMALLEST_LEAF = ("min_samples_leaf", "min_data_in_leaf")  # what scikit-learn and LightGBM call it


def check(model: Model) -> None:
    """Raises ParamsInvalid, which names every parameter that the class does not have, or whose value it does not take."""
    if model.target == LIGHTGBM:
        # LightGBM itself takes any name, and prints a value that it refuses before it raises an error.
        parse_settings(BoostingParameters, model.parameters, prefix="model")
        if model.encoding != "ordinal":
            raise ParamsInvalid(explain([f"model.encoding is {model.encoding!r}; it should be ordinal for LightGBM"]))
    elif faults := list(_faults(model)):
        raise ParamsInvalid(explain(faults))


def create(model: Model, rows: int, seed: int) -> Any:
    """The unfitted classifier for a training table of so many ``rows``; in a small one leaves may be smaller than set."""
    parameters = for_table(model, rows)
    if SEED in _accepted(model):
        parameters[SEED] = seed
    # Not recursively: only the class itself is in settings.Classifier, a class among its parameters would not be.
    return instantiate({"_target_": model.target, **parameters}, _recursive_=False, _convert_="all")


def for_table(model: Model, rows: int) -> dict[str, Any]:
    """The parameters for a training table of so many ``rows``."""
    parameters = dict(model.parameters)
    for name in SMALLEST_LEAF:
        if isinstance(smallest := parameters.get(name), int):
            parameters[name] = min(smallest, max(rows // SPLITTABLE, 1))
    return parameters


def _faults(model: Model) -> Iterator[str]:
    accepted, create_class = _accepted(model) - {SEED}, get_class(model.target)
    if model.encoding == "ordinal" and not get_tags(create_class()).input_tags.allow_nan:
        name = model.target.rpartition(".")[2]
        yield f"model.encoding is 'ordinal', which keeps missing values; {name} takes none, so it should be one_hot"
    for key, value in model.parameters.items():
        if key == SEED:
            yield f"model.{key} is not set here but by train.seed"
            continue
        if isinstance(value, Mapping):
            yield f"model.{key} is {value!r}; it should be a plain value or a list"
            continue
        if key not in accepted:
            yield not_a_setting(f"model.{key}", sorted(accepted | {"name", "encoding"}))
            continue
        if key == "learning_rate" and isinstance(value, int | float) and value > HIGHEST_LEARNING_RATE:
            yield f"model.{key} is {value!r}; it should be at most {HIGHEST_LEARNING_RATE:g}"
        try:
            create_class(**{key: value})._validate_params()  # noqa: SLF001 (what fit calls first; nothing public does it without rows)
        except ValueError as error:  # scikit-learn's InvalidParameterError is one
            yield f"model.{key} is {value!r}; {str(error).rpartition(' Got ')[0].rstrip('.').replace('The', 'the', 1)}"


def _accepted(model: Model) -> set[str]:
    """The parameters of the class."""
    return set(inspect.signature(get_class(model.target)).parameters)
