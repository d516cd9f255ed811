"""What tests of the whole pipeline share: one reproduced repository, of which each file of tests changes a copy."""

import fcntl
import shutil

import mlflow
import pytest

import penguins


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory, testrun_uid):
    """The repository that nobody changes: made once, whichever of the processes that share the tests comes first."""
    place = tmp_path_factory.getbasetemp()
    shared = (place.parent if place.name.startswith("popen-") else place) / f"penguins-{testrun_uid}"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            shutil.rmtree(shared / "of", ignore_errors=True)
            penguins.made(shared / "of")
            (shared / "done").touch()
    return shared / "of/project"


@pytest.fixture(scope="module")
def project(reproduced, tmp_path_factory):
    return penguins.copied(reproduced, tmp_path_factory.mktemp("copy") / "of")


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory):
    """The file of an MLflow database without a run: MLflow takes seconds to make its tables."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path
