"""Reads params.yaml into the typed settings of ``pipeline.config.settings``."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.contradictions import refuse_contradictions
from pipeline.config.flatten import leaves
from pipeline.config.parsing import PARAMS_NAME, parse_settings
from pipeline.config.settings import TABLE_RECIPE, Card, Column, Columns, Data, Dataset, Params
from pipeline.support.errors import ParamsInvalid

PARAMS = Path(PARAMS_NAME)
CONF = Path("conf")
NAMED = ("data", "model")  # groups whose members say their own name
# Resolvers whose value is the same on every machine; any other would write this machine, the clock or a secret.
SAFE_RESOLVERS = {"oc.select", "oc.decode", "oc.create", "oc.deprecated", "oc.dict.keys", "oc.dict.values"}
RESOLVER = re.compile(r"\$\{\s*([\w.]+)\s*:")
RANDOM_SPLIT = {"by": "random", "test_share": 0.25, "seed": 7}  # where a table declares no split
# Blocks with keys that only their recipe or class knows: these keys are gathered, for it to check, under the second name.
OPEN_BLOCKS = (
    ("data", "options", [field.name for field in fields(Data) if field.name != "options"]),
    ("model", "parameters", ["name", "_target_", "encoding"]),
)


def load_params(path: Path = PARAMS, conf: Path = CONF) -> Params:
    """The settings in params.yaml, refused as a whole where one of them is wrong.

    Raises ParamsInvalid, which names every wrong key in full.
    """
    check_conf(conf)
    return read_params(load_mapping(path))


def read_params(values: Mapping[str, Any]) -> Params:
    """The typed settings of a params.yaml mapping.

    Keys of ``data`` that only its recipe knows become ``data.options``, those of ``model`` that only its class knows
    ``model.parameters``.

    Raises ParamsInvalid, which names every wrong key in full.
    """
    gathered = {name: _with_defaults(block) if name == "data" else block for name, block in values.items()}
    for name, rest, declared in OPEN_BLOCKS:
        if isinstance(block := gathered.get(name), Mapping):
            others = {key: value for key, value in block.items() if key not in declared}
            gathered[name] = {**{key: block[key] for key in declared if key in block}, rest: others}
    params = parse_settings(Params, gathered)
    refuse_contradictions(params.data)
    return params


def _with_defaults(data: Any) -> Any:
    """The block ``data`` with what may be left out where the file at ``source.path`` is the only table."""
    if not isinstance(data, Mapping):
        return data
    source = data.get("source")
    path = str(source.get("path")) if isinstance(source, Mapping) else ""
    defaults = {
        "name": Path(path).name.partition(".")[0],
        "recipe": TABLE_RECIPE,
        "tables": {"table": {"file": path, "columns": data.get("columns") or {}}},
        "columns": {},
        "split": RANDOM_SPLIT,
    }
    return defaults | {key: value for key, value in data.items() if value is not None and (key, value) != ("tables", {})}


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
