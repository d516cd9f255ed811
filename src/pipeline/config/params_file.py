"""Reads params.yaml into the typed settings of ``pipeline.config.settings``."""

import re
from collections import Counter
from collections.abc import Hashable, Mapping
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
CURES = {  # of broken files, by the first part of their path; all others are written by people
    PARAMS_NAME: "Type `make params`.",
    "dvc.lock": "Type `make reset`, which puts back what is committed.",
    "data": "Type `make repro`.",
}
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
    defaults = {"name": Path(path).name.partition(".")[0], "recipe": TABLE_RECIPE, "columns": {}, "split": RANDOM_SPLIT}
    values = defaults | {key: value for key, value in data.items() if value is not None}
    tables = values.get("tables") or {"table": {}}
    if values["recipe"] == TABLE_RECIPE and isinstance(tables, Mapping):
        whole = {"file": path, "columns": values["columns"]}
        tables = {name: {**whole, **table} if isinstance(table, Mapping) else table for name, table in tables.items()}
    return values | {"tables": tables}


def load_dataset(path: Path) -> Dataset:
    """What ``preprocess`` wrote of the examples' columns, target and split."""
    return parse_settings(Dataset, load_mapping(path))


def load_columns(path: Path) -> Columns:
    """The columns that ``ingest`` inferred."""
    return {name: Column(**declared) for name, declared in load_mapping(path)["columns"].items()}


def load_card(path: Path) -> Card:
    """The texts that a person wrote for the model card: all empty where ``path`` is not there, for none is required."""
    return parse_settings(Card, load_mapping(path, empty_allowed=True), file=str(path)) if path.exists() else Card()


class _Strict(yaml.constructor.SafeConstructor):
    """A key is a text and stands once: PyYAML would keep the last value of a key without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value)
        for key, _ in node.value:
            if keys[key.value] > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} stands there twice", problem_mark=key.start_mark
                )
            if key.tag not in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}:
                problem = f"the key {key.value} is no text; write quotes around it"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


class _Loader(_Strict, yaml.SafeLoader):
    """PyYAML's own parser, whose errors show the line."""


class _FastLoader(_Strict, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The parser in C, where PyYAML has it: it takes a sixth of the time."""


def parse_yaml(text: str) -> Any:
    """The content of a YAML text. Raises yaml.YAMLError, also for a key that stands twice or is no text."""
    try:
        return yaml.load(text, _FastLoader)  # noqa: S506, it is a SafeLoader
    except (yaml.YAMLError, ValueError):
        return yaml.load(text, _Loader)  # noqa: S506, it is a SafeLoader


def load_mapping(path: Path, *, empty_allowed: bool = False) -> dict[str, Any]:
    """The YAML mapping in a file. Raises ParamsInvalid where there is none."""
    cure = CURES.get(path.parts[0], "Correct it there.")
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsInvalid(f"{path} should hold the settings; it is not there. Type `make params`.") from error
    except (yaml.YAMLError, ValueError) as error:  # text that is no UTF-8; a date that is none
        raise ParamsInvalid(f"{path} should be YAML; {' '.join(str(error).split())}. {cure}") from error
    if values is None and empty_allowed:
        return {}
    if not isinstance(values, dict):
        held = "nothing" if values is None else type(values).__name__
        raise ParamsInvalid(f"{path} should hold `key: value` lines; it holds {held}. {cure}")
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
