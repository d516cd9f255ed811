"""Every class that conf/model may name trains on the penguins, and its graph gives the same probabilities."""

import contextlib
import typing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import COLUMNS, MODELS, TRAIN
from pipeline.config.params_file import load_mapping, read_params
from pipeline.config.settings import Classifier, Model
from pipeline.data import model_inputs, split
from pipeline.modeling import artifact, classifier, estimator, fitting, onnx_export, parity
from pipeline.modeling.calibration import CalibratedModel
from pipeline.modeling.parts import Parts
from pipeline.params import compose
from pipeline.recipes import table
from pipeline.support.errors import ExportInexact, ExportMissing, ParamsInvalid

PARAMETERS = {"MLPClassifier": {"max_iter": 20}, "GaussianNB": {"var_smoothing": 0.001}}


@pytest.fixture(scope="module")
def penguins():
    """The settings of the penguins, and their training and test rows."""
    settings = read_params(compose.compose(overrides=["data=table"]))
    raw = {"table": pd.read_csv("tests/pipeline/penguins.csv", na_values=["NA"])}
    examples, _ = table.examples(raw, settings.data, table.Options())
    return settings, *split.split(examples, settings.data.split, settings.data.target.name)


def exported_and_estimated(penguins, model):
    """The probabilities of all rows by the graph and by the estimator, and the validation scores."""
    settings, train, test = penguins
    columns, target = settings.data.columns, settings.data.target.name
    folds = fitting.assign_folds(train, target, settings.data.split, settings.train)
    packed, truth = model_inputs.pack(train, columns), train[target].to_numpy()
    fitted = fitting.fit(
        Parts.held(packed), truth, folds, columns, model, settings.train, lambda what: contextlib.nullcontext()
    )
    session = artifact.session(onnx_export.to_graph(fitted.model, columns).SerializeToString())
    rows = model_inputs.pack(pd.concat([train, test]), columns)
    exported = artifact.probability(session, model_inputs.to_arrays(rows, columns))
    return exported, fitted.model.probability(rows), fitted.validation


@pytest.mark.filterwarnings("ignore")  # a network that has not converged yet
@pytest.mark.parametrize("target", typing.get_args(Classifier))
def test_every_class_of_the_list_is_exported_exactly(penguins, target):
    name = target.rpartition(".")[2]
    encoding = "ordinal" if name in {"HistGradientBoostingClassifier", "Booster"} else "one_hot"
    exported, estimated, scores = exported_and_estimated(penguins, Model(name, target, encoding, PARAMETERS.get(name, {})))

    assert parity.compare(estimated, exported) < parity.TOLERANCE
    assert scores["roc_auc"] > 0.7


@pytest.mark.parametrize("path", sorted(Path("conf/model").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_model_of_conf_trains_on_the_penguins(penguins, path):
    composed = read_params(compose.compose(overrides=["data=table", f"model={path.stem}"]))
    exported, estimated, _ = exported_and_estimated(penguins, composed.model)

    assert load_mapping(path)["name"] == path.stem
    assert parity.compare(estimated, exported) < parity.TOLERANCE


def test_a_graph_that_differs_is_refused(rows):
    """Boosting splits between scaled numbers, which the graph scales in single precision."""
    scaled = replace(MODELS["hgb"], encoding="one_hot", parameters={"min_samples_leaf": 1, "early_stopping": False})
    many = pd.concat([rows] * 8, ignore_index=True)
    many["size"] += np.random.default_rng(1).normal(size=len(many)) * 1e-6
    packed = model_inputs.pack(many, COLUMNS)
    fitted = CalibratedModel(estimator.fit(scaled, COLUMNS, packed, many["good"].to_numpy(), TRAIN.seed), 1.0, 0.0)
    session = artifact.session(onnx_export.to_graph(fitted, COLUMNS).SerializeToString())

    with pytest.raises(ExportInexact, match="Choose another model in conf/model"):
        parity.compare(fitted.probability(packed), artifact.probability(session, model_inputs.to_arrays(packed, COLUMNS)))


def test_a_classifier_without_a_graph_is_refused_in_one_sentence(fitted):
    class Foreign(type(fitted("logistic").model.estimator[-1])):
        """A class that skl2onnx has no converter for."""

    pipeline = fitted("logistic").model.estimator
    foreign = type(pipeline)([pipeline.steps[0], ("classifier", Foreign())])
    foreign[-1].__dict__.update(pipeline[-1].__dict__)

    with pytest.raises(ExportMissing, match=r"turn Foreign with these parameters into a graph; it cannot: .*Nothing was"):
        onnx_export.to_graph(CalibratedModel(foreign, 1.0, 0.0), COLUMNS)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"max_itr": 1}, r"model\.max_itr is not a setting \(did you mean max_iter\?\)"),
        ({"learning_rate": 7}, r"model\.learning_rate is 7; it should be at most 1"),
        (
            {"max_iter": 0},
            r"model\.max_iter is 0; the 'max_iter' parameter of Hist\w+ must be an int in the range \[1, inf\)\. ",
        ),
        ({"max_leaf_nodes": "many"}, r"model\.max_leaf_nodes is 'many'; the 'max_leaf_nodes' parameter"),
        ({"random_state": 1}, r"model\.random_state is not set here but by train\.seed"),
        ({"_partial_": True}, r"model\._partial_ is not a setting"),
        ({"class_weight": {"_target_": "os.system"}}, r"it should be a plain value or a list"),
        ({"max_iter": 0, "depth": 3}, r"model\.max_iter is 0; .*; model\.depth is not a setting"),
    ],
)
def test_a_faulty_parameter_is_named_with_what_the_class_takes(parameters, words):
    with pytest.raises(ParamsInvalid, match=words):
        classifier.check(replace(MODELS["hgb"], parameters=parameters))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"num_leafs": 31}, r"model\.num_leafs is not a setting \(did you mean num_leaves\?\)"),
        ({"n_estimators": 100}, r"model\.n_estimators is not a setting"),
        ({"num_leaves": 1}, r"model\.num_leaves is 1; input should be greater than or equal to 2"),
        ({"num_leaves": "many"}, r"model\.num_leaves is 'many'; input should be a valid integer"),
        ({"learning_rate": 7}, r"model\.learning_rate is 7; input should be less than or equal to 1"),
        ({"max_bin": 1000}, r"model\.max_bin is 1000; input should be less than or equal to 255"),
        ({"seed": 1, "num_threads": 4}, r"model\.seed is not a setting.*; model\.num_threads is not a setting"),
    ],
)
def test_a_faulty_parameter_of_lightgbm_is_named_with_what_it_takes(parameters, words):
    with pytest.raises(ParamsInvalid, match=words):
        classifier.check(replace(MODELS["lightgbm"], parameters=parameters))


def test_lightgbm_takes_categories_as_numbers_alone():
    with pytest.raises(ParamsInvalid, match=r"model\.encoding is 'one_hot'; it should be ordinal for LightGBM"):
        classifier.check(replace(MODELS["lightgbm"], encoding="one_hot"))


def test_a_class_that_takes_no_missing_values_needs_the_other_encoding():
    with pytest.raises(ParamsInvalid, match=r"model\.encoding is 'ordinal', which keeps missing values; LogisticRegression"):
        classifier.check(replace(MODELS["logistic"], encoding="ordinal"))


def test_parameters_that_do_not_go_together_are_one_sentence(rows):
    clash = replace(MODELS["logistic"], parameters={"solver": "lbfgs", "l1_ratio": 1.0})
    classifier.check(clash)

    with pytest.raises(ParamsInvalid, match=r"The parameters of logistic should go together; .*conf/model/logistic\.yaml"):
        estimator.fit(clash, COLUMNS, model_inputs.pack(rows, COLUMNS), rows["good"].to_numpy(), 1)


def test_the_seed_and_the_smallest_leaf_of_a_small_table_are_set():
    created = classifier.create(replace(MODELS["hgb"], parameters={"min_samples_leaf": 100}), rows=400, seed=7)

    assert (created.random_state, created.min_samples_leaf) == (7, 20)
