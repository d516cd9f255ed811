"""Trees that LightGBM grew, as a classifier of scikit-learn, and their graph."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from skl2onnx.common.tree_ensemble import add_node, get_default_tree_classifier_attribute_pairs
from sklearn.base import BaseEstimator, ClassifierMixin

from pipeline.modeling.thresholds import to_single_precision

SINGLE = ("nodes_values", "nodes_hitrates", "class_weights")
Node = dict[str, Any]  # of a tree as LightGBM dumps it


class BoostedTrees(ClassifierMixin, BaseEstimator):
    """A booster of LightGBM for single-precision columns [n, k]."""

    def __init__(self, booster: Any = None) -> None:
        self.booster = booster
        self.classes_ = np.array([0, 1])

    def fit(self, _columns: Any, _truth: Any = None) -> "BoostedTrees":
        """Learns nothing: the booster is trained already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are trees."""
        return self.booster is not None

    def decision_function(self, columns: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The log-odds [n] of the positive label."""
        return np.asarray(self.booster.predict(np.asarray(columns, np.float32), raw_score=True))


def _shape(operator: Any) -> None:
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = Int64TensorType([rows])
    operator.outputs[1].type = FloatTensorType([rows, 2])


def _graph(scope: Any, operator: Any, container: Any) -> None:
    """One TreeEnsembleClassifier, whose second output [n, 2] holds the log-odds of the positive label in its last column.

    Not onnxmltools' converter (1.16): it rounds thresholds to the nearest single-precision number, which sends values beside
    them the other way, and it sends missing values another way than LightGBM, where there were none in training.
    """
    attributes = get_default_tree_classifier_attribute_pairs()
    for tree, dumped in enumerate(operator.raw_operator.booster.dump_model()["tree_info"]):
        nodes = list(_flatten(dumped["tree_structure"]))
        numbers = {id(node): number for number, node in enumerate(nodes)}
        for node in nodes:
            _add(attributes, tree, node, numbers)
    container.add_node(
        "TreeEnsembleClassifier",
        operator.input_full_names,
        operator.output_full_names,
        op_domain="ai.onnx.ml",
        op_version=1,
        name=scope.get_unique_operator_name("TreeEnsembleClassifier"),
        classlabels_int64s=[0, 1],
        **attributes | {name: np.array(attributes[name], np.float32) for name in SINGLE},
    )


def _flatten(node: Node) -> Iterator[Node]:
    """The node and all below it, the root first."""
    yield node
    for child in ("left_child", "right_child"):
        if child in node:
            yield from _flatten(node[child])


def _add(attributes: dict[str, Any], tree: int, node: Node, numbers: dict[int, int]) -> None:
    """Appends a node to the attributes of the ensemble; ``numbers`` are those of the nodes of its tree, by identity."""
    is_leaf = "leaf_value" in node
    threshold = 0.0 if is_leaf else float(to_single_precision(np.array(node["threshold"], np.float64)))
    left, right = (0, 0) if is_leaf else (numbers[id(node[child])] for child in ("left_child", "right_child"))
    add_node(
        attributes,
        is_classifier=True,
        tree_id=tree,
        tree_weight=1.0,
        node_id=numbers[id(node)],
        feature_id=node.get("split_feature", 0),
        mode="LEAF" if is_leaf else "BRANCH_LEQ",
        value=threshold,
        true_child_id=left,
        false_child_id=right,
        weights=np.array([node.get("leaf_value", 0.0)]),
        weight_id_bias=0,
        leaf_weights_are_counts=False,
        adjust_threshold_for_sklearn=False,
        dtype=np.float32,
        nodes_missing_value_tracks_true=int(not is_leaf and _sends_missing_left(node)),
    )


def _sends_missing_left(node: Node) -> bool:
    """Where LightGBM saw no missing value in the column, it takes one for 0."""
    return bool(node["default_left"]) if node["missing_type"] == "NaN" else node["threshold"] >= 0


update_registered_converter(
    BoostedTrees, "OntimeBoostedTrees", _shape, _graph, options={"zipmap": [False], "raw_scores": [True]}
)
