"""A new model takes the place of the old one whole, or not at all."""

import asyncio
import hashlib
import json

import pytest

from prediction_api.errors import FetchFailed, InvalidModel
from prediction_api.metrics import Metrics
from prediction_api.model import artifact
from prediction_api.model.model_manager import ModelManager
from prediction_api.model.model_source import ModelSource


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def open_live(make_model, metrics):
    """A coroutine function that opens the tiny model directory."""

    async def start():
        live = ModelManager(ModelSource(str(make_model())), metrics, most_records=3)
        await live.open()
        return live

    return start


@pytest.fixture
def sample(metrics):
    """A function that gives the value of a metric."""
    return lambda metric, /, **labels: metrics.registry.get_sample_value(f"prediction_api_{metric}", labels)


@pytest.fixture
def looks(sample):
    """A function that counts the looks that changed the model, found the same and failed, and tells if the last failed."""
    return lambda: [
        *(sample("reloads_total", outcome=outcome) for outcome in ("changed", "unchanged", "failed")),
        sample("reload_failing"),
    ]


class Away(ModelSource):
    """A registry that cannot be reached, with a directory to begin with."""

    async def fetch(self, mark=None):
        raise FetchFailed("nobody answers")


def test_a_start_without_the_source_answers_and_counts_as_a_reload_that_fails(make_model, metrics, looks):
    live = ModelManager(Away("models:/tiny@champion", fallback=str(make_model())), metrics, most_records=3)
    asyncio.run(live.open())

    assert live.current.model.name == "tiny"
    assert live.failure == "nobody answers"
    assert looks() == [0, 0, 1, 1]


def alter(folder):
    (folder / "model.onnx").write_bytes(b"garbage")
    (folder / "metadata.json").write_bytes((folder / "metadata.json").read_bytes() + b"\n")


def empty(folder):
    (folder / "metadata.json").unlink()


def hold_garbage(folder):
    (folder / "model.onnx").write_bytes(b"garbage")
    metadata = json.loads((folder / "metadata.json").read_bytes())
    metadata["sha256"]["model.onnx"] = hashlib.sha256(b"garbage").hexdigest()
    (folder / "metadata.json").write_text(json.dumps(metadata))


def answer(model):
    return model.probabilities(model.inputs([model.example()])).tolist()


async def until(true, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def test_the_first_model_answers_and_is_told_by_name_and_version(open_live, make_model, sample):
    live = asyncio.run(open_live())

    version = artifact.read(make_model()).version
    assert (live.current.model.name, live.current.model.version, live.failure) == ("tiny", version, None)
    assert live.current.lineage["git_commit"] is None
    assert sample("model_info", name="tiny", version=version) == 1
    assert sample("model_loaded_timestamp_seconds") == live.current.loaded


def test_a_batch_holds_as_many_records_as_the_service_says(open_live):
    assert asyncio.run(open_live()).current.model.records.most == 3


def test_a_bad_first_model_is_refused(make_model, metrics):
    folder = make_model()
    alter(folder)

    with pytest.raises(InvalidModel, match=r"model\.onnx"):
        asyncio.run(ModelManager(ModelSource(str(folder)), metrics, most_records=3).open())


def test_an_unchanged_model_stays(open_live, looks):
    async def story():
        live = await open_live()
        served = live.current
        assert await live.reload() is False
        assert live.current is served

    asyncio.run(story())

    assert looks() == [0, 1, 0, 0]


def test_a_changed_model_takes_the_place_of_the_old_one(open_live, make_model, looks, sample):
    async def story():
        live = await open_live()
        old = live.current
        make_model(bias=1.0)
        assert await live.reload() is True
        return old, live.current

    old, new = asyncio.run(story())

    assert new.model.version == artifact.read(make_model(bias=1.0)).version
    assert new.mark != old.mark
    assert looks() == [1, 0, 0, 0]
    assert sample("model_info", name="tiny", version=new.model.version) == 1
    assert sample("model_info", name="tiny", version=old.model.version) is None
    assert sample("model_loaded_timestamp_seconds") == new.loaded >= old.loaded


def test_who_holds_the_old_model_gets_its_answers_after_the_swap(open_live, make_model):
    async def story():
        live = await open_live()
        old = live.current.model
        before = answer(old)
        make_model(bias=3.0)
        await live.reload()
        assert answer(old) == before != answer(live.current.model)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("damage", "words"),
    [(alter, "should have the sha256"), (empty, r"metadata\.json cannot be read"), (hold_garbage, "is no graph")],
)
def test_a_bad_model_leaves_the_old_one_with_the_reason(open_live, make_model, looks, sample, damage, words):
    async def story():
        live = await open_live()
        old = live.current
        damage(make_model())
        with pytest.raises(InvalidModel, match=words) as found:
            await live.reload()
        assert live.current is old
        assert live.failure == str(found.value)
        assert sample("model_info", name="tiny", version=old.model.version) == 1

    asyncio.run(story())

    assert looks() == [0, 0, 1, 1]


def test_a_place_that_hands_nothing_over_leaves_the_old_model_with_the_reason(open_live, looks):
    async def story():
        live = await open_live()
        old, live.source = live.current, ModelSource("dvc:///nowhere?rev=main", seconds=0.01)
        with pytest.raises(FetchFailed, match=r"within 0\.01 seconds"):
            await live.reload()
        assert live.current is old
        assert "within 0.01 seconds" in live.failure

    asyncio.run(story())

    assert looks() == [0, 0, 1, 1]


def test_an_unforeseen_failure_counts_as_one_too(open_live, looks):
    async def story():
        live = await open_live()
        old, live.source = live.current, ModelSource("\0")
        with pytest.raises(ValueError, match="null byte"):  # no error of the service: nobody foresaw it
            await live.reload()
        assert live.current is old
        assert live.failure is not None

    asyncio.run(story())

    assert looks() == [0, 0, 1, 1]


@pytest.mark.parametrize("bias", [0.0, 1.0], ids=["the same", "another"])
def test_a_good_model_after_a_bad_one_clears_the_failure(open_live, make_model, looks, bias):
    async def story():
        live = await open_live()
        alter(make_model())
        with pytest.raises(InvalidModel):
            await live.reload()
        make_model(bias=bias)
        assert await live.reload() is bool(bias)
        assert live.failure is None

    asyncio.run(story())

    assert looks() == [1, 0, 1, 0] if bias else [0, 1, 1, 0]


def test_two_reloads_at_once_run_one_after_the_other(open_live, make_model, looks):
    async def story():
        live = await open_live()
        make_model(bias=1.0)
        return await asyncio.gather(live.reload(), live.reload())

    assert asyncio.run(story()) == [True, False]
    assert looks() == [1, 1, 0, 0]


def test_a_failing_reload_lets_the_one_behind_it_run(open_live, make_model, looks):
    async def story():
        live = await open_live()
        alter(make_model())
        return await asyncio.gather(live.reload(), live.reload(), return_exceptions=True)

    assert [type(found) for found in asyncio.run(story())] == [InvalidModel, InvalidModel]
    assert looks() == [0, 0, 2, 1]


def test_a_cancelled_reload_leaves_the_old_model_and_lets_the_next_run(open_live, make_model):
    async def story():
        live = await open_live()
        old = live.current
        make_model(bias=1.0)
        task = asyncio.create_task(live.reload())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert (task.cancelled(), live.current is old) == (True, True)
        assert await live.reload() is True

    asyncio.run(story())


def test_polling_takes_a_changed_model_and_goes_on_after_a_bad_one(open_live, make_model, looks):
    async def story():
        live = await open_live()
        polling = asyncio.create_task(live.poll(0.01))
        alter(make_model())
        await until(lambda: live.failure)
        make_model(bias=1.0)
        version = artifact.read(make_model(bias=1.0)).version
        await until(lambda: live.current.model.version == version)
        await until(lambda: live.failure is None)
        assert not polling.done()
        polling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await polling

    asyncio.run(story())

    changed, _, failed, failing = looks()
    assert (changed, failing) == (1, 0)
    assert failed >= 1


def test_polling_goes_on_after_an_unforeseen_failure(open_live, make_model):
    async def story():
        live = await open_live()
        good, live.source = live.source, ModelSource("\0")
        polling = asyncio.create_task(live.poll(0.01))
        await asyncio.sleep(0.1)
        live.source = good
        version = artifact.read(make_model(bias=1.0)).version
        await until(lambda: live.current.model.version == version)
        polling.cancel()

    asyncio.run(story())
