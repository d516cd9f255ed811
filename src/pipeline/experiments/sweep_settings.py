"""What a sweep tries and what it looks for: the settings of conf/sweep.yaml."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.settings import CLOSED, parse_settings
from pipeline.diff.gate import Metric

FILE = "conf/sweep.yaml"


@dataclass(frozen=True, config=CLOSED)
class SweepSettings:
    """All of conf/sweep.yaml: overrides in Hydra's grammar of sweeps, the metric of the validation, how many at a time."""

    overrides: Annotated[tuple[str, ...], Field(min_length=1)]
    metric: Metric
    at_once: Annotated[int, Field(ge=1, le=64)]


def read(values: Mapping[str, Any]) -> SweepSettings:
    """The typed settings of a conf/sweep.yaml mapping. Raises ParamsInvalid, which names every faulty key in full."""
    return parse_settings(SweepSettings, values, file=FILE)
