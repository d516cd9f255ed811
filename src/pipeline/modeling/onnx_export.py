"""Exports a calibrated model as one ONNX graph, from packed raw columns to a probability, with reproducible bytes."""

import copy
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxCast, OnnxConcat, OnnxDiv, OnnxFloor, OnnxMul, OnnxSub
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from pipeline.config.settings import Columns
from pipeline.data.schema import feature_names
from pipeline.modeling.calibration import CalibratedModel
from pipeline.modeling.estimator import DAY, LEAST, MINUTE, THURSDAY, WEEK, DatetimeParts
from pipeline.modeling.thresholds import to_single_precision
from pipeline.support.errors import ExportMissing

MOST_CHARACTERS = 200  # of what skl2onnx says, which may be a page
OPSET = {"": 18, "ai.onnx.ml": 3}
TENSORS = {
    "numbers": ("number", FloatTensorType),
    "categories": ("category", StringTensorType),
    "datetimes": ("datetime", DoubleTensorType),
}


def to_graph(model: CalibratedModel, columns: Columns) -> onnx.ModelProto:
    """The graph of a calibrated model: inputs ``numbers``, ``categories``, ``datetimes``, output ``probability``.

    Raises ExportMissing where skl2onnx has no graph for the classifier.
    """
    types = [
        (name, tensor([None, n])) for name, (kind, tensor) in TENSORS.items() if (n := len(feature_names(columns, kind)))
    ]
    estimator = _with_exact_thresholds(model.estimator)
    has_log_odds = hasattr(estimator, "decision_function")
    options = {id(estimator[-1]): {"zipmap": False, **({"raw_scores": True} if has_log_odds else {})}}
    try:
        graph = convert_sklearn(estimator, name="ontime", initial_types=types, target_opset=OPSET, options=options)
    except (RuntimeError, NotImplementedError) as error:
        raise ExportMissing(
            f"skl2onnx should turn {type(estimator[-1]).__name__} with these parameters into a graph; it cannot: "
            f"{' '.join(str(error).split())[:MOST_CHARACTERS]}. Nothing was written. Choose another model in conf/model."
        ) from error
    if not has_log_odds:
        _replace_probability_by_log_odds(graph.graph)
    _replace_outputs_by_probability(graph.graph, model.slope, model.intercept)
    return _canonical(graph)


def _with_exact_thresholds(estimator: Pipeline) -> Pipeline:
    """The same estimator for single-precision values, with thresholds that the graph's single precision holds exactly.

    skl2onnx rounds the thresholds of histogram boosting to the nearest single-precision number.
    """
    exact = copy.deepcopy(estimator)
    for trees in getattr(exact[-1], "_predictors", ()):
        for tree in trees:
            tree.nodes["num_threshold"] = to_single_precision(tree.nodes["num_threshold"])
    return exact


def _replace_probability_by_log_odds(graph: onnx.GraphProto) -> None:
    """Gives the second output, probabilities [n, 2], as log-odds: ``estimator.log_odds`` in ONNX, in double precision."""
    limits = {"least": LEAST, "most": 1 - LEAST, "one": 1.0}
    graph.initializer.extend(numpy_helper.from_array(np.array(value), f"odds_{name}") for name, value in limits.items())
    graph.node.extend(
        [
            helper.make_node("Cast", [graph.output[1].name], ["double_probabilities"], to=TensorProto.DOUBLE),
            helper.make_node("Clip", ["double_probabilities", "odds_least", "odds_most"], ["clipped"]),
            helper.make_node("Sub", ["odds_one", "clipped"], ["complement"]),
            helper.make_node("Log", ["clipped"], ["log_probability"]),
            helper.make_node("Log", ["complement"], ["log_complement"]),
            helper.make_node("Sub", ["log_probability", "log_complement"], ["log_odds_of_probability"]),
        ]
    )
    graph.output[1].name = "log_odds_of_probability"


def _replace_outputs_by_probability(graph: onnx.GraphProto, slope: float, intercept: float) -> None:
    """Adds the calibration: the sigmoid of slope times log-odds plus intercept, as one dimension [n].

    In double precision, because the last bit of a single-precision sigmoid depends on the processor.
    """
    scores = graph.output[1].name
    constants = {
        "last_class": np.array([1], np.int64),
        "slope": np.array(slope, np.float64),
        "intercept": np.array(intercept, np.float64),
        "flat": np.array([-1], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(value, f"calibration_{name}") for name, value in constants.items())
    graph.node.extend(
        [
            helper.make_node("Gather", [scores, "calibration_last_class"], ["log_odds_column"], axis=1),
            helper.make_node("Reshape", ["log_odds_column", "calibration_flat"], ["single_log_odds"]),
            helper.make_node("Cast", ["single_log_odds"], ["log_odds"], to=TensorProto.DOUBLE),
            helper.make_node("Mul", ["log_odds", "calibration_slope"], ["scaled_log_odds"]),
            helper.make_node("Add", ["scaled_log_odds", "calibration_intercept"], ["calibrated_log_odds"]),
            helper.make_node("Sigmoid", ["calibrated_log_odds"], ["probability"]),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None]))


def _canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its opset imports in sorted order; skl2onnx takes them from a set."""
    imports = sorted((opset.domain, opset.version) for opset in model.opset_import)
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in imports)
    onnx.checker.check_model(model)
    return model


def _parts_parser(scope: Any, transformer: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declares that floats come out; skl2onnx would assume doubles, the type of the input."""
    operator = scope.declare_local_operator("OntimeDatetimeParts", transformer)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("datetime_parts", FloatTensorType()))
    return operator.outputs


def _parts_shape(operator: Any) -> None:
    columns = operator.inputs[0].type.shape[1]
    operator.outputs[0].type = FloatTensorType([None, 2 * columns])


def _parts_graph(scope: Any, operator: Any, container: Any) -> None:
    """``DatetimeParts.transform`` in ONNX: the same operations on doubles in the same order."""
    seconds, opset = operator.inputs[0], container.target_opset

    def constant(value: float) -> Any:
        return np.array([value], np.float64)

    def remainder(value: Any, length: float) -> Any:
        whole = OnnxFloor(OnnxDiv(value, constant(length), op_version=opset), op_version=opset)
        return OnnxSub(value, OnnxMul(whole, constant(length), op_version=opset), op_version=opset)

    minutes = OnnxFloor(OnnxDiv(remainder(seconds, DAY), constant(MINUTE), op_version=opset), op_version=opset)
    days = OnnxAdd(
        OnnxFloor(OnnxDiv(seconds, constant(DAY), op_version=opset), op_version=opset),
        constant(THURSDAY),
        op_version=opset,
    )
    parts = OnnxConcat(minutes, remainder(days, WEEK), axis=1, op_version=opset)
    OnnxCast(parts, to=TensorProto.FLOAT, op_version=opset, output_names=operator.outputs[:1]).add_to(scope, container)


update_registered_converter(DatetimeParts, "OntimeDatetimeParts", _parts_shape, _parts_graph, parser=_parts_parser)
