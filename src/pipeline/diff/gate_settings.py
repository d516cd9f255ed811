"""The settings of conf/gate.yaml: the tolerances that a candidate or a change has to meet."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.parsing import parse_settings
from pipeline.config.settings import CLOSED, Seed, Share

Metric = Literal["roc_auc", "average_precision", "brier", "log_loss", "calibration_error", "precision", "recall", "f1"]
Tolerance = Annotated[float, Field(ge=0, le=1)]
Tolerances = dict[Metric, Tolerance]
Thresholdless = Literal["roc_auc", "average_precision", "brier", "log_loss"]  # the same whatever threshold a model has
FILE = "conf/gate.yaml"
LOWER_IS_BETTER = frozenset(("brier", "log_loss", "calibration_error"))


@dataclass(frozen=True, config=CLOSED)
class Promote:
    """How a candidate is compared with the champion; ``tolerances`` say how much worse it may be, by metric."""

    resamples: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Share
    seed: Seed
    tolerances: Annotated[dict[Thresholdless, Tolerance], Field(min_length=1)]


@dataclass(frozen=True, config=CLOSED)
class Diff:
    """How much worse a change may make each metric, and how far a slice moves before it is shown."""

    tolerances: Annotated[Tolerances, Field(min_length=1)]
    slice_tolerances: Tolerances


@dataclass(frozen=True, config=CLOSED)
class Gate:
    """All of conf/gate.yaml."""

    promote: Promote
    diff: Diff


def read(values: Mapping[str, Any]) -> Gate:
    """The typed settings of a conf/gate.yaml mapping. Raises ParamsInvalid, which names every faulty key in full."""
    return parse_settings(Gate, values, file=FILE)


def stricter(base: Diff, head: Diff) -> Diff:
    """The head's settings with the smaller tolerance of both sides per metric, so that no change loosens its own gate."""
    names = head.tolerances | base.tolerances
    return replace(head, tolerances={name: min(side.tolerances.get(name, 1) for side in (base, head)) for name in names})


def gain(metric: str, base: float, head: float) -> float:
    """How much better ``head`` is than ``base``, in units of the metric; negative where it is worse."""
    return base - head if metric in LOWER_IS_BETTER else head - base
