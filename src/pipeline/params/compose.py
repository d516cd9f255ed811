"""Composes conf/ into params.yaml, or checks that params.yaml is what conf/ composes to.

python -m pipeline.params.compose            writes params.yaml
python -m pipeline.params.compose --check    names the groups that differ, and changes nothing
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast
from unicodedata import normalize

import yaml
from dvc.utils.hydra import get_hydra_sweeps
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.config.flatten import leaves
from pipeline.config.params_file import CONF, NAMED, PARAMS, check_conf, load_mapping, read_params
from pipeline.config.parsing import parse_settings
from pipeline.modeling import classifier
from pipeline.recipes import loader
from pipeline.support import console
from pipeline.support.errors import ParamsInvalid, ParamsStale

SHOWN = 6  # differing keys that the message names before it counts the rest


def compose(conf: Path = CONF, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The values that DVC composes from ``conf/config.yaml`` on `dvc exp run`, with every interpolation resolved.

    Raises ParamsInvalid, which names the invalid group, key or value in full.
    """
    check_names(conf)
    check_conf(conf)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            composed = hydra_compose("config", overrides=list(overrides))
            values = cast("dict[str, Any]", OmegaConf.to_container(composed, resolve=True))
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # Hydra raises it for an override without a key
        reason = " ".join(str(error).partition("Config search path")[0].split())
        what, cure = (f"conf/ with {' '.join(overrides)}", "Correct it.") if overrides else ("conf/", "Correct it there.")
        raise ParamsInvalid(f"{what} does not compose: {reason}. {cure}") from error
    settings = read_params(values)
    parse_settings(loader.load_recipe(settings.data.recipe).Options, settings.data.options, prefix="data")
    loader.event_tables(settings.data)
    classifier.check(settings.model)
    return values


def check_names(conf: Path) -> None:
    """Raises ParamsInvalid where a file has a name that no override such as data=NAME can choose."""
    for path in (path for group in NAMED for path in sorted((conf / group).glob("*.yaml"))):
        try:
            is_text = isinstance(OverridesParser.create().parse_override(f"{path.parent.name}={path.stem}").value(), str)
        except HydraException:
            is_text = False
        if not is_text:
            plain = re.sub(r"[^\w.-]", "", normalize("NFKD", path.stem), flags=re.ASCII) or "1"
            raise ParamsInvalid(f"{path}: Hydra takes the name {path.stem} for no text. Call the file table_{plain}.yaml.")


def grid(overrides: Sequence[str]) -> dict[tuple[str, ...], dict[str, Any]]:
    """The composed values of each point of a search, by full key: the points that `dvc exp run --queue -S` makes.

    Raises ParamsInvalid where an override or a point is invalid.
    """
    check_names(CONF)
    try:
        points = [tuple(point[str(PARAMS)]) for point in get_hydra_sweeps({str(PARAMS): list(overrides)})]
    except (HydraException, ValueError) as error:
        problem = " ".join([*overrides, "is none:", *str(error).split()])
        raise ParamsInvalid(
            f"A search takes overrides such as a.b=choice(1,2), without spaces; {problem}. Correct it."
        ) from error
    return {point: dict(leaves(compose(overrides=point))) for point in points}


def write(values: Mapping[str, Any], path: Path) -> None:
    """Writes params.yaml as DVC does, in the same order of keys."""
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=120)
    path.write_text(text, encoding="utf-8")


def check(values: Mapping[str, Any], composed: Mapping[str, Any], path: Path = PARAMS) -> None:
    """Raises ParamsStale, which names the groups and keys that differ, unless the two are equal."""
    actual, expected = dict(leaves(values)), dict(leaves(composed))
    keys = [key for key in {**expected, **actual} if actual.get(key, "nothing") != expected.get(key, "nothing")]
    if not keys:
        return
    groups = ", ".join(dict.fromkeys(key.partition(".")[0] for key in keys))
    pairs = (f"  {key}: {path} has {actual.get(key, 'nothing')}, conf/ has {expected.get(key, 'nothing')}" for key in keys)
    shown = "\n".join(islice(pairs, SHOWN)) + (f"\n  and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")
    raise ParamsStale(
        f"{path} is not what conf/ composes to; changed: {groups}.\n{shown}\n"
        "Type `make params` if conf/ is right. If params.yaml is (an experiment left it so), write that into conf/."
    )


def missing_source(path: str) -> str:
    """A sentence where ``data.source.path`` is not there, for which DVC gives only a number; else an empty text."""
    if Path(path).exists():
        return ""
    return f"data.source.path is {path}, which is not there (DVC says [Errno 2]); put the file there, or correct it"


def main() -> None:
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("--check", action="store_true", help="only check whether params.yaml is up to date")
    only_check, composed = parser.parse_args().check, compose()
    if only_check:
        check(load_mapping(PARAMS), composed)
    else:
        write(composed, PARAMS)
    if problem := missing_source(composed["data"]["source"]["path"]):
        console.warn(problem)


if __name__ == "__main__":
    console.run(main)
