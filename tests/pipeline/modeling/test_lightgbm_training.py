"""LightGBM reads the parts of a table one after another, and grows the same trees however it is cut, with any threads."""

import contextlib
import ctypes
import sys
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from conftest import COLUMNS, MODELS, TRAIN
from pipeline.config.settings import Column
from pipeline.data import model_inputs
from pipeline.modeling import artifact, fitting, lightgbm_training, onnx_export
from pipeline.modeling.calibration import CalibratedModel
from pipeline.modeling.parts import Parts
from pipeline.support.errors import ParamsInvalid

MODEL = MODELS["lightgbm"]


def cut(packed, *sizes):
    """The packed rows in parts of these sizes, each a frame of its own."""
    parts = Parts(sizes, lambda number: packed.iloc[parts.spans()[number]].copy())
    return parts


def fit(parts, truth, folds, columns=COLUMNS, model=MODEL):
    return fitting.fit(parts, truth, folds, columns, model, TRAIN, lambda _: contextlib.nullcontext())


def trained(frame, truth, columns, model=MODEL):
    """The pipeline that is fitted on all rows."""
    parts = Parts.held(model_inputs.pack(frame, columns))
    return fitting.create_learner(model, parts, truth, np.zeros(len(truth), int), columns, 1).fit(without=None)


def graph_bytes(fitted_model):
    return onnx_export.to_graph(fitted_model.model, COLUMNS).SerializeToString(deterministic=True)


def both(pipeline, frame, columns):
    """The probabilities of a table's rows, by LightGBM and by its graph."""
    model = CalibratedModel(pipeline, 1.0, 0.0)
    session = artifact.session(onnx_export.to_graph(model, columns).SerializeToString())
    packed = model_inputs.pack(frame, columns)
    return model.probability(packed), artifact.probability(session, model_inputs.to_arrays(packed, columns))


@pytest.fixture(scope="module")
def table(rows):
    """The packed rows, their truth, and the fold of each: consecutive ones."""
    folds = np.arange(len(rows)) * TRAIN.folds // len(rows)
    return model_inputs.pack(rows, COLUMNS), rows["good"].to_numpy(), folds


@pytest.mark.parametrize("sizes", [(100, 100, 100), (1, 298, 1), (150, 0, 150), (30,) * 10], ids=str)
def test_the_same_bytes_however_the_rows_are_cut_into_parts(table, sizes):
    packed, truth, folds = table
    whole, parts = fit(Parts.held(packed), truth, folds), fit(cut(packed, *sizes), truth, folds)

    assert graph_bytes(parts) == graph_bytes(whole)
    assert parts.out_of_fold.tolist() == whole.out_of_fold.tolist()
    assert (parts.threshold, parts.validation) == (whole.threshold, whole.validation)


def test_no_more_than_one_part_is_in_memory(table):
    packed, truth, folds = table
    parts, loaded, alive = cut(packed, 100, 100, 100), [], []

    def load(number):
        alive.append(sum(reference() is not None for reference in loaded))
        part = parts.load(number)
        loaded.append(weakref.ref(part))
        return part

    fit(replace(parts, load=load), truth, folds)

    assert max(alive) <= 1  # the one that is replaced by the part that is loaded
    assert len(alive) == 3 + 3 * (2 * 2 + 1) + 2 * 3  # the survey; each fold: bins, rows, scores; all rows: bins, rows


def many_rows(count):
    random = np.random.default_rng(3)
    columns = {f"x{number}": Column("number") for number in range(8)}
    frame = pd.DataFrame(random.normal(size=(count, 8)).astype(np.float32), columns=list(columns))
    return frame, (frame.sum(axis=1) + 3 * random.normal(size=count) > 0).to_numpy(np.int8), columns


def trees(pipeline):
    """The trees as text, without the parameters that LightGBM writes below."""
    return pipeline[-1].booster.model_to_string().partition("end of trees")[0]


def with_threads(monkeypatch, count, table):
    monkeypatch.setitem(lightgbm_training.FIXED, "num_threads", count)
    return trees(trained(*table))


def test_the_same_trees_with_any_number_of_threads(monkeypatch):
    table = *many_rows(4_000), replace(MODEL, parameters={"num_iterations": 4})

    assert with_threads(monkeypatch, 1, table) == with_threads(monkeypatch, 3, table)


@pytest.mark.long("a million rows, with one to seven threads")
def test_a_million_rows_give_the_same_trees_with_any_number_of_threads(monkeypatch):
    table = *many_rows(1_000_000), replace(MODEL, parameters={"num_iterations": 60, "feature_fraction_bynode": 0.3})
    first = with_threads(monkeypatch, 1, table)

    assert [count for count in (2, 3, 7) if with_threads(monkeypatch, count, table) != first] == []


def test_values_beside_each_threshold_go_the_way_that_lightgbm_sends_them():
    frame, truth, columns = many_rows(3_000)
    pipeline = trained(frame, truth, columns)
    split = pipeline[-1].booster.trees_to_dataframe().dropna(subset="threshold")
    beside = []
    for feature, threshold in zip(split["split_feature"], split["threshold"], strict=True):
        nearest, row = np.float32(threshold), frame.iloc[len(beside) % len(frame)].copy()
        for value in (nearest, np.nextafter(nearest, np.float32(9)), np.nextafter(nearest, np.float32(-9)), np.nan):
            row[list(columns)[int(feature.removeprefix("Column_"))]] = value
            beside.append(row.copy())
    estimated, exported = both(pipeline, pd.DataFrame(beside), columns)

    assert len(beside) > 300
    assert np.abs(estimated - exported).max() < 1e-6


@pytest.mark.parametrize("shift", [-40.0, 40.0])
@pytest.mark.parametrize("missing", [False, True], ids=["none missing in training", "some missing in training"])
def test_a_missing_value_goes_the_way_that_lightgbm_sends_it(shift, missing):
    """It is 0 to LightGBM where it saw none: below or above all thresholds of the shifted column."""
    frame, truth, columns = many_rows(1_000)
    frame["x0"] += shift
    frame.loc[::5, "x1"] = np.nan if missing else 0.0
    pipeline = trained(frame, truth, columns)
    unseen = pd.DataFrame({name: np.where(np.arange(8) == place, np.nan, 0.1) for place, name in enumerate(columns)})
    estimated, exported = both(pipeline, unseen, columns)

    assert exported == pytest.approx(estimated, abs=1e-6)
    assert np.ptp(estimated) > 0.01


def test_trees_without_a_split_give_the_rate():
    frame, columns = pd.DataFrame({"same": np.ones(40)}), {"same": Column("number")}
    estimated, exported = both(trained(frame, np.repeat([0, 1, 1, 1], 10), columns), frame, columns)

    assert exported == pytest.approx(estimated, abs=1e-6)
    assert exported == pytest.approx(np.full(40, 0.75), abs=1e-6)


def test_a_category_of_the_other_folds_alone_is_unknown_to_a_fold(table):
    """Each fold's encoder learns the categories of the rows that the fold's model is fitted to, as for the other models."""
    packed, truth, folds = table
    packed = packed.assign(colour=np.where(folds == 1, "violet", packed["colour"]))
    learner = fitting.create_learner(MODEL, cut(packed, 120, 180), truth, folds, COLUMNS, 1)
    seen = [
        set(learner.fit(without)["columns"].named_transformers_["categories"].categories_[0]) for without in (1, 0, None)
    ]

    assert seen[0] == {"", "blue", "green", "red"}
    assert seen[1] == seen[2] == seen[0] | {"violet"}


def test_parameters_that_do_not_go_together_are_one_sentence(table):
    packed, truth, folds = table
    clash = replace(MODEL, parameters={"data_sample_strategy": "goss", "bagging_fraction": 0.5, "bagging_freq": 1})

    with pytest.raises(ParamsInvalid, match=r"The parameters of lightgbm should go together; .*conf/model/lightgbm\.yaml"):
        fit(Parts.held(packed), truth, folds, model=clash)


def test_a_system_without_openmp_is_told_what_to_install(table, monkeypatch):
    def refuse(_path):
        raise OSError("libgomp.so.1: cannot open shared object file")

    for name in [name for name in sys.modules if name.partition(".")[0] == "lightgbm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, lightgbm_training.__name__)
    monkeypatch.setattr(ctypes.cdll, "LoadLibrary", refuse)

    with pytest.raises(ParamsInvalid, match=r"needs OpenMP from the system: libgomp\.so\.1.* apt install libgomp1"):
        fit(Parts.held(table[0]), *table[1:])
