"""The settings of conf/compute.yaml and of the environment: where the parts of a stage are computed."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, cast, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.params_file import load_mapping
from pipeline.config.parsing import parse_settings
from pipeline.config.settings import CLOSED
from pipeline.support.errors import ParamsInvalid

FILE = Path("conf/compute.yaml")
ENGINE, ADDRESS, WORKERS = "COMPUTE_ENGINE", "DASK_SCHEDULER_ADDRESS", "DASK_WORKERS"
Name = Literal["local", "dask"]


@dataclass(frozen=True, config=CLOSED)
class Compute:
    """All of conf/compute.yaml; a folder without that file computes in the process of the stage."""

    engine: Name = "local"
    worker_seconds: Annotated[float, Field(gt=0)] = 60  # how long tasks wait for a cluster that has no worker


def read(environment: Mapping[str, str], file: Path = FILE) -> Compute:
    """The settings of ``file``. The environment overrides its ``engine``: by COMPUTE_ENGINE, or by naming a cluster.

    Raises ParamsInvalid, which names every wrong key in full.
    """
    settings = parse_settings(Compute, load_mapping(file, empty_allowed=True) if file.exists() else {}, file=str(FILE))
    is_dask = environment.get(ADDRESS) or environment.get(WORKERS)
    engine = environment.get(ENGINE) or ("dask" if is_dask else settings.engine)
    if engine not in get_args(Name):
        raise ParamsInvalid(f"{ENGINE} should be {' or '.join(get_args(Name))}; it is {engine!r}. Correct it, or unset it.")
    return replace(settings, engine=cast(Name, engine))


def workers(environment: Mapping[str, str]) -> int:
    """How many workers this machine gets: DASK_WORKERS, or one for each processor. Raises ParamsInvalid."""
    text = environment.get(WORKERS) or str(_processors())
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ParamsInvalid(f"{WORKERS} should be a whole number from 1 on; it is {text!r}. Correct it, or unset it.")
    return int(text)


def _processors() -> int:
    """How many processors this process may use; on macOS nobody says, so all."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
