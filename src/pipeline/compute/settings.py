"""The settings of conf/compute.yaml: where the parts of a stage are computed. The environment overrides them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast, get_args

from pydantic.dataclasses import dataclass

from pipeline.config.params_file import load_mapping
from pipeline.config.parsing import parse_settings
from pipeline.config.settings import CLOSED
from pipeline.support.errors import ParamsInvalid

FILE = Path("conf/compute.yaml")
Name = Literal["local"]


@dataclass(frozen=True, config=CLOSED)
class Compute:
    """All of conf/compute.yaml; a folder without that file computes in its own process."""

    engine: Name = "local"


def read(environment: Mapping[str, str], file: Path = FILE) -> Compute:
    """The settings of ``file``; COMPUTE_ENGINE in the environment overrides its ``engine``.

    Raises ParamsInvalid, which names every wrong key in full.
    """
    settings = parse_settings(Compute, load_mapping(file, empty_allowed=True) if file.exists() else {}, file=str(FILE))
    engine = environment.get("COMPUTE_ENGINE") or settings.engine
    if engine not in get_args(Name):
        raise ParamsInvalid(
            f"COMPUTE_ENGINE should be {' or '.join(get_args(Name))}; it is {engine!r}. Correct it, or unset it."
        )
    return replace(settings, engine=cast(Name, engine))
