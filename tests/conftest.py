"""What several tests share: a small table of every kind of column, a model fitted on it, settings, and another process."""

import gc
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from httpx._transports import default

import pipeline
from pipeline.config.settings import Column, Model, Train
from pipeline.data import model_inputs
from pipeline.modeling import fitting
from pipeline.modeling.parts import Parts
from pipeline.support import console

COLUMNS = {
    "size": Column("number"),
    "weight": Column("number"),
    "colour": Column("category"),
    "moment": Column("datetime"),
}
MODELS = {
    "hgb": Model(
        "hgb",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "ordinal",
        {
            "learning_rate": 0.1,
            "max_iter": 15,
            "max_leaf_nodes": 8,
            "min_samples_leaf": 5,
            "l2_regularization": 1.0,
            "max_features": 0.8,
            "early_stopping": False,
        },
    ),
    "lightgbm": Model(
        "lightgbm",
        "lightgbm.Booster",
        "ordinal",
        {
            "learning_rate": 0.1,
            "num_iterations": 15,
            "num_leaves": 8,
            "min_data_in_leaf": 5,
            "lambda_l2": 1.0,
            "feature_fraction_bynode": 0.8,
        },
    ),
    "logistic": Model("logistic", "sklearn.linear_model.LogisticRegression", "one_hot", {"C": 1.0, "max_iter": 500}),
}
TRAIN = Train(seed=3, folds=3, threshold="f1")


# Files of tests that take longest, the longest first: where processes share the tests, they end at about the same time.
LONGEST = (
    "tests/contract/test_stack.py",
    "tests/contract/test_walk.py",
    "tests/pipeline/experiments/test_sweep.py",
    "tests/board/pages/test_browser.py",
    "tests/contract/test_board_reliability.py",
    "tests/db/test_schemathesis.py",
    "tests/notebooks/test_notebooks.py",
    "tests/pipeline/stages/test_stages.py",
    "tests/pipeline/registry/test_promote.py",
    "tests/service_kit/test_timeouts.py",
    "tests/contract/test_reliability.py",
    "tests/db/test_main.py",
    "tests/pipeline/diff/test_diff.py",
    "tests/repository/test_hooks.py",
    "tests/repository/test_setup.py",
    "tests/contract/test_replay.py",
    "tests/serving/model/test_model_source.py",
    "tests/contract/test_serve.py",
    "tests/serving/test_reliability.py",
    "tests/pipeline/recipes/test_flights.py",
    "tests/pipeline/stages/test_dvc.py",
    "tests/repository/test_verify.py",
    "tests/board/test_services.py",
    "tests/db/test_migrations.py",
    "tests/db/test_app.py",
    "tests/serving/outbox/test_outbox_relay.py",
    "tests/contract/test_send_events.py",
)


def pytest_configure():
    """Processes that tests start take Ctrl-C, also where the shell that started the tests in its background ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What collecting imports and makes lives to the end, so the garbage collector never looks at it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config, items):
    """The longest files go first; all else stays in its order."""
    rank = {str(config.rootpath / name): number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads that wait for each other cost seconds on a busy machine, and small tables gain nothing from them."""
    with threadpoolctl.threadpool_limits(1), pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            patch.setenv(name, "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def one_tls_context():
    """httpx takes 20 ms for a TLS context, one for each request without a client, though tests ask http://127.0.0.1."""
    create = default.create_ssl_context

    @cache
    def cached(verify, cert, trust_env, *_certificates):
        return create(verify=verify, cert=cert, trust_env=trust_env)

    def create_once(verify=True, cert=None, trust_env=True):
        return cached(verify, cert, trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "create_ssl_context", create_once)
        yield


@pytest.fixture
def values():
    """The smallest mapping that is a whole params.yaml."""
    return {
        "data": {
            "name": "things",
            "recipe": "table",
            "source": {"path": "things.csv"},
            "tables": {"table": {"file": "things.csv", "columns": {"size": {"kind": "number"}}}},
            "target": {"name": "good", "positive": "yes"},
            "columns": {"size": {"kind": "number", "range": [0, None]}},
            "split": {"by": "random", "test_share": 0.25, "seed": 1},
        },
        "model": {
            "name": "logistic",
            "_target_": "sklearn.linear_model.LogisticRegression",
            "encoding": "one_hot",
            "C": 1.0,
            "max_iter": 100,
        },
        "ingest": {"invalid_rows_allowed": 0},
        "preprocess": {"invalid_rows_allowed": 0},
        "train": {"seed": 1, "folds": 3, "threshold": "f1"},
        "evaluate": {
            "seed": 1,
            "resamples": 20,
            "confidence": 0.9,
            "calibration_bins": 5,
            "smallest_slice": 1,
            "importance_rows": 100,
            "reasons_rows": 50,
        },
    }


@pytest.fixture(scope="session")
def rows():
    """300 rows of COLUMNS, some of their values missing, and a target that depends on all of them."""
    random = np.random.default_rng(5)
    n = 300
    size, colour = random.normal(size=n), random.integers(0, 3, n)
    moment = pd.Timestamp("2012-02-27 00:30") + pd.to_timedelta(random.integers(0, 10_000, n), "min")
    score = size + (colour == 1) + (moment.hour > 12) + random.normal(size=n)
    table = pd.DataFrame(
        {
            "size": size.round(3),
            "weight": random.integers(1, 9, n),
            "colour": np.array(["red", "green", "blue"])[colour],
            "moment": moment,
            "good": (score > 1).astype("int8"),
        }
    )
    table.loc[::17, "size"] = np.nan
    table.loc[::19, "colour"] = None
    table.loc[::23, "moment"] = pd.NaT
    return table


@pytest.fixture(scope="session")
def fitted(rows):
    """A function from a model's name, and the columns it may use, to the fitted model."""
    known = {}

    def fit(name="hgb", columns=COLUMNS):
        key = name, tuple(columns)
        if key not in known:
            packed, truth = model_inputs.pack(rows, columns), rows["good"].to_numpy()
            folds = np.arange(len(rows)) % TRAIN.folds
            known[key] = fitting.fit(Parts.held(packed), truth, folds, columns, MODELS[name], TRAIN, console.step)
        return known[key]

    return fit


@pytest.fixture
def columns():
    """One column of each kind, and a second number."""
    return dict(COLUMNS)


@pytest.fixture
def python():
    """A function that runs code in another Python process, with this package and more environment."""

    def start(code, *arguments, **environment):
        source = str(Path(pipeline.__file__).parents[1])
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return start
