"""The engine in this process: results in order, one at a time, and errors as they are."""

import pytest

from pipeline import compute
from pipeline.support.errors import ParamsInvalid, TableInvalid


@pytest.fixture
def engine():
    with compute.open_engine({}) as opened:
        yield opened


def double(number):
    return 2 * number


def refuse(number):
    raise TableInvalid(f"row {number} is broken")


def test_results_come_in_the_order_of_the_tasks_and_each_is_counted(engine):
    done = []

    assert list(engine.map(double, [3, 1, 2], lambda: done.append(1))) == [6, 2, 4]
    assert len(done) == 3


def test_a_task_is_taken_only_when_its_result_is_asked_for(engine):
    taken = []
    results = engine.map(double, (taken.append(number) or number for number in range(100)), lambda: None)

    assert [next(results), next(results)] == [0, 2]
    assert taken == [0, 1]


def test_an_error_of_a_task_arrives_as_it_is(engine):
    with pytest.raises(TableInvalid, match=r"^row 7 is broken$"):
        list(engine.map(refuse, [7], lambda: None))


def test_an_engine_that_is_none_is_refused_by_name():
    with (
        pytest.raises(ParamsInvalid, match=r"^COMPUTE_ENGINE should be local.*it is 'spark'"),
        compute.open_engine({"COMPUTE_ENGINE": "spark"}),
    ):
        pass
