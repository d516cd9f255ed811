"""The parameters of LightGBM that a file in conf/model may set, by its own names, with the values that it takes."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.settings import CLOSED

Count = Annotated[int, Field(ge=1)]
Portion = Annotated[float, Field(gt=0, le=1)]
Penalty = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=CLOSED)
class BoostingParameters:
    """What shapes the trees; what is not set has LightGBM's own default.

    Not among them is what would change the objective, read files, use other machines, or give a tree that is no
    comparison with one number in each node.
    """

    num_iterations: Count | None = None
    learning_rate: Portion | None = None  # above 1 each tree overshoots what is left to learn
    num_leaves: Annotated[int, Field(ge=2, le=131_072)] | None = None
    max_depth: Annotated[int, Field(ge=-1)] | None = None
    min_data_in_leaf: Annotated[int, Field(ge=0)] | None = None
    min_sum_hessian_in_leaf: Penalty | None = None
    bagging_fraction: Portion | None = None
    bagging_freq: Annotated[int, Field(ge=0)] | None = None
    feature_fraction: Portion | None = None
    feature_fraction_bynode: Portion | None = None
    extra_trees: bool | None = None
    max_delta_step: float | None = None
    lambda_l1: Penalty | None = None
    lambda_l2: Penalty | None = None
    min_gain_to_split: Penalty | None = None
    path_smooth: Penalty | None = None
    data_sample_strategy: Literal["bagging", "goss"] | None = None
    top_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    other_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    scale_pos_weight: Annotated[float, Field(gt=0)] | None = None
    is_unbalance: bool | None = None
    max_bin: Annotated[int, Field(ge=2, le=255)] | None = None  # more would need two bytes for each value
    min_data_in_bin: Count | None = None
    bin_construct_sample_cnt: Annotated[int, Field(ge=1_000)] | None = None
