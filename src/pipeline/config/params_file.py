"""Reads params.yaml into the typed settings of ``pipeline.config.settings``."""

import re
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.flatten import leaves
from pipeline.config.settings import PARAMS_NAME, Card, Column, Columns, Dataset, Params, parse_settings, read_params
from pipeline.support.errors import ParamsInvalid

PARAMS = Path(PARAMS_NAME)
CONF = Path("conf")
# Resolvers whose value is the same on every machine; any other would write this machine, the clock or a secret.
NAMED = ("data", "model")  # groups whose members say their own name
SAFE_RESOLVERS = {"oc.select", "oc.decode", "oc.create", "oc.deprecated", "oc.dict.keys", "oc.dict.values"}
RESOLVER = re.compile(r"\$\{\s*([\w.]+)\s*:")


def load_params(path: Path = PARAMS, conf: Path = CONF) -> Params:
    """The settings in params.yaml, refused as a whole where one of them is faulty.

    Raises ParamsInvalid, which names every faulty key in full.
    """
    check_conf(conf)
    return read_params(load_mapping(path))


def load_dataset(path: Path) -> Dataset:
    """What ``preprocess`` wrote of the examples' columns, target and split."""
    return parse_settings(Dataset, load_mapping(path))


def load_columns(path: Path) -> Columns:
    """The columns that ``ingest`` inferred."""
    return {name: Column(**declared) for name, declared in load_mapping(path)["columns"].items()}


def load_card(path: Path) -> Card:
    """The texts that a person wrote for the model card: all empty where ``path`` is not there, for none is required."""
    return parse_settings(Card, load_mapping(path, empty_allowed=True), file=str(path)) if path.exists() else Card()


def load_mapping(path: Path, *, empty_allowed: bool = False) -> dict[str, Any]:
    """The YAML mapping in a file. Raises ParamsInvalid where there is none."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsInvalid(f"{path} should hold the settings; it is not there. Type `make params`.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsInvalid(f"{path} should be YAML; {' '.join(str(error).split())}. Correct it there.") from error
    if values is None and empty_allowed:
        return {}
    if not isinstance(values, dict):
        raise ParamsInvalid(f"{path} should hold `key: value` lines; it holds {type(values).__name__}. Type `make params`.")
    return values


def check_conf(conf: Path) -> None:
    """Raises ParamsInvalid where composing ``conf`` would write clock, machine or environment, or a file is misnamed."""
    for path in sorted(conf.rglob("*.yaml")):
        values = load_mapping(path, empty_allowed=True)
        if path.parent.name in NAMED and values.get("name", path.stem) != path.stem:
            raise ParamsInvalid(
                f"{path}: name is {values['name']!r}; it should be {path.stem}, as the file is called. Correct it there: "
                "the model and its card go by this name."
            )
        for key, value in leaves(values):
            for resolver in RESOLVER.findall(value) if isinstance(value, str) else ():
                if resolver not in SAFE_RESOLVERS:
                    raise ParamsInvalid(
                        f"{path}: {key} is {value!r}; ${{{resolver}:}} would write this machine, its clock "
                        "or its environment into params.yaml. Give the value itself; secrets belong elsewhere."
                    )
