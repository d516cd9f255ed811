"""conf/compute.yaml and the environment say where stages compute; what they say wrongly is refused by name."""

import pytest

from pipeline.compute import settings
from pipeline.support.errors import ParamsInvalid


@pytest.mark.parametrize(
    ("environment", "engine"),
    [
        ({}, "local"),
        ({"COMPUTE_ENGINE": ""}, "local"),
        ({"COMPUTE_ENGINE": "dask"}, "dask"),
        ({"DASK_WORKERS": "2"}, "dask"),
        ({"DASK_SCHEDULER_ADDRESS": "tcp://127.0.0.1:8786"}, "dask"),
        ({"DASK_WORKERS": "2", "COMPUTE_ENGINE": "local"}, "local"),
    ],
)
def test_the_environment_overrides_the_committed_engine(environment, engine):
    assert settings.read(environment).engine == engine


def test_the_file_counts_where_the_environment_says_nothing(tmp_path):
    (tmp_path / "compute.yaml").write_text("engine: dask\nworker_seconds: 7\n")

    assert settings.read({}, tmp_path / "compute.yaml") == settings.Compute("dask", 7)
    assert settings.read({"COMPUTE_ENGINE": "local"}, tmp_path / "compute.yaml") == settings.Compute("local", 7)


def test_a_folder_without_the_file_computes_in_the_process_of_the_stage(tmp_path):
    assert settings.read({}, tmp_path / "compute.yaml").engine == "local"


@pytest.mark.parametrize(
    ("text", "found"),
    [("engine: spark", "engine is 'spark'"), ("motor: dask", "motor is not a setting"), ("worker_seconds: 0", "is 0")],
)
def test_a_faulty_file_is_refused_by_key_and_file(tmp_path, text, found):
    (tmp_path / "compute.yaml").write_text(text)

    with pytest.raises(ParamsInvalid, match=rf"^conf/compute\.yaml does not hold .*{found}.*Correct it there\.$"):
        settings.read({}, tmp_path / "compute.yaml")


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_workers_that_is_none_is_refused(workers):
    with pytest.raises(ParamsInvalid, match=rf"^DASK_WORKERS should be a whole number from 1 on; it is '{workers}'"):
        settings.workers({"DASK_WORKERS": workers})


def test_without_a_number_each_processor_gets_a_worker(monkeypatch):
    monkeypatch.setattr(settings, "_processors", lambda: 7)

    assert settings.workers({}) == 7


def test_the_engine_of_the_own_process_does_not_load_dask(python):
    code = """
import sys
from pipeline import compute
with compute.open_engine({}) as engine:
    assert list(engine.map(abs, [-1], lambda: None)) == [1]
print(sorted({"dask", "distributed"} & sys.modules.keys()))
"""
    assert python(code).stdout == "[]\n"
