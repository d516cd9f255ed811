"""`make score` predicts each row of a table in order: from one file or several, in one process or by workers."""

import signal
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import pytest

import in_process
from conftest import COLUMNS
from pipeline import compute
from pipeline.compute import LocalEngine
from pipeline.compute.dask_engine import DaskEngine
from pipeline.config.settings import Dataset, RandomSplit, Target
from pipeline.data import model_inputs, schema_json
from pipeline.modeling import artifact, onnx_export
from pipeline.score import __main__ as command

DECLARED = {**COLUMNS, "weight": replace(COLUMNS["weight"], range=(1, 9), nullable=False, required=False)}


@pytest.fixture(scope="module")
def graph(fitted):
    return onnx_export.to_graph(fitted("hgb").model, COLUMNS)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, graph, rows):
    """A folder with a model and a table in three files, of which one has no row."""
    monkeypatch.chdir(tmp_path)
    data = Dataset("things", Target("good"), DECLARED, RandomSplit("random", 0.5, 1))
    artifact.write(Path("data/model"), graph, schema_json.describe(data, rows), {"threshold": 0.4})
    Path("table").mkdir()
    write(rows)


def write(rows):
    for name, start, end in (("2012-02", 0, 170), ("2012-03", 170, 170), ("2012-04", 170, 300)):
        rows[start:end].to_parquet(f"table/{name}.parquet", row_group_size=33)


def score(*words):
    return in_process.run("score.__main__", *words, folder=Path.cwd())


def expected(rows):
    arrays = model_inputs.to_arrays(model_inputs.pack(rows, COLUMNS), COLUMNS)
    probability = artifact.probability(artifact.session(Path("data/model/model.onnx")), arrays)
    return pd.DataFrame({"probability": probability, "label": probability >= 0.4})


# pyarrow ends a part of a column of Arrow's type dictionary where a row group ends (apache/arrow #27052)
@pytest.mark.parametrize(("most_rows", "colour"), [(1_000, "object"), (60, "object"), (60, "category")])
def test_each_file_of_a_folder_has_its_predictions_under_its_name(rows, monkeypatch, most_rows, colour):
    write(rows.astype({"colour": colour}))
    monkeypatch.setattr(command, "MOST_ROWS", most_rows)
    done = score("table", "out/scores")
    parts = [pd.read_parquet(path) for path in sorted(Path("out/scores").iterdir())]

    assert done.returncode == 0, done.stderr
    assert [path.name for path in sorted(Path("out/scores").iterdir())] == [p.name for p in sorted(Path("table").iterdir())]
    assert [len(part) for part in parts] == [170, 0, 130]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), expected(rows))


def test_a_file_has_the_predictions_of_all_rows_in_their_order(rows):
    score("table", "scores.parquet")
    score("table/2012-04.parquet", "out/april.parquet")

    pd.testing.assert_frame_equal(pd.read_parquet("scores.parquet"), expected(rows))
    pd.testing.assert_frame_equal(pd.read_parquet("out/april.parquet"), expected(rows[170:]))


def test_workers_give_the_same_bytes(monkeypatch):
    monkeypatch.setattr(command, "MOST_ROWS", 60)
    score("table", "scores.parquet")
    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):

        @contextmanager
        def open_engine():
            yield DaskEngine(client, worker_seconds=9)

        monkeypatch.setattr(compute, "open_engine", open_engine)
        score("table", "by_workers.parquet")

    assert Path("by_workers.parquet").read_bytes() == Path("scores.parquet").read_bytes()


def test_types_that_hold_the_same_values_give_the_same_predictions(rows):
    other = rows.astype({"colour": "category", "size": "float32", "moment": str}).drop(columns="good")
    other["moment"] = other["moment"].where(rows["moment"].notna(), None)
    other[list(reversed(other.columns))].to_parquet("other.pq")
    score("other.pq", "scores.parquet")

    pd.testing.assert_frame_equal(pd.read_parquet("scores.parquet"), expected(rows))


def with_value(rows, row, name, value):
    values = rows[name].astype(str if isinstance(value, str) else rows[name].dtype)
    return rows.assign(**{name: values.where(rows.index != row, value)})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda rows: rows.drop(columns=["size", "colour"]), "the columns that the model reads; it lacks size, colour."),
        (lambda rows: with_value(rows, 150, "moment", "soon"), "mine.parquet, row 151: moment should be a date and time"),
        (
            lambda rows: with_value(rows, 150, "weight", 10),
            "values the model was made for: weight should be at most 9; 1 rows are not, such as row 151: 10.",
        ),
        (lambda rows: rows.assign(moment=rows["moment"].dt.tz_localize("UTC")), "mine.parquet: moment should be a date"),
        (lambda rows: rows.drop(columns="weight"), "weight should have a value in each row"),
    ],
    ids=["lacks", "text", "row", "zone", "null"],
)
def test_a_table_that_the_model_was_not_made_for_is_refused_by_row_and_column(rows, monkeypatch, change, error):
    monkeypatch.setattr(command, "MOST_ROWS", 60)
    change(rows).to_parquet("mine.parquet")
    done = score("mine.parquet", "scores.parquet")

    assert done.returncode == 1
    assert error in done.stderr
    assert "conf/data" not in done.stderr
    assert not list(Path().glob("*scores*"))


def test_a_file_that_is_damaged_is_named():
    damaged = Path("table/2012-04.parquet")
    content = damaged.read_bytes()
    middle = len(content) // 2
    for broken in (content[:-9], content[:4] + b"\0" * middle + content[4 + middle :]):
        damaged.write_bytes(broken)
        done = score("table", "scores")

        assert "error: table/2012-04.parquet should be a Parquet file; " in done.stderr
        assert not Path("scores").exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["data", "scores"],
            "data should be a Parquet file, or a folder of them; it is a folder without Parquet files. Correct",
        ),
        (["table.csv", "scores"], "table.csv should be a Parquet file, or a folder of them; it is not there. Correct the"),
        (["table", "scores.csv"], "scores.csv should be a .parquet file, or a folder. Give it such a name."),
        (["table", "data"], "data exists already. Remove it, or name another output."),
        (["table/2012-04.parquet"] * 2, "table/2012-04.parquet exists already. Remove it, or name another output."),
        (
            ["table", "table/2012-04.parquet"],
            "table/2012-04.parquet should be outside table, all files of which are the table.",
        ),
        (["table", "data/../table/scores"], "table/scores should be outside table, all files of which are the table. Name"),
        (["data/model/schema.json", "scores"], "it is something else. Correct the path; CSV files are predicted by"),
        (["table", "scores", "--model", "table"], "table should hold model.onnx, schema.json and metadata.json"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(words, error):
    done = score(*words)

    assert done.returncode == 1
    assert error in done.stderr
    assert np.array_equal(sorted(path.name for path in Path().iterdir()), ["data", "table"])


def test_a_file_that_is_there_stays_as_it_is():
    for name in ("scores", "scores.parquet"):
        Path(name).write_text("mine")
        done = score("table", name)

        assert f"error: {name} exists already. Remove it, or name another output." in done.stderr
        assert Path(name).read_text() == "mine"
    assert not list(Path().glob(".*"))


def test_an_output_that_another_run_has_written_meanwhile_stays(monkeypatch):
    def overtaken(_engine, function, tasks, _advance):
        Path("scores").mkdir()
        return map(function, tasks)

    monkeypatch.setattr(LocalEngine, "map", overtaken)

    assert "error: scores exists already. Remove it, or name another output." in score("table", "scores").stderr
    assert not list(Path("scores").iterdir())


@pytest.mark.parametrize("output", ["scores", "scores.parquet"])
def test_fewer_predictions_than_rows_are_no_result(monkeypatch, output):
    monkeypatch.setattr(LocalEngine, "map", lambda _engine, function, tasks, _advance: islice(map(function, tasks), 2))

    assert "error: table/2012-04.parquet should have a prediction for each row; there are " in score("table", output).stderr
    assert not list(Path().glob("*scores*"))


@pytest.mark.parametrize("output", ["scores", "scores.parquet"])
def test_a_stop_leaves_no_part_of_an_output(monkeypatch, output):
    at_stop, after = [], []

    def stopped(_engine, function, tasks, _advance):
        yield function(next(tasks))
        at_stop.extend(Path().glob("*scores*"))
        signal.raise_signal(signal.SIGTERM)

    def end(status):
        after.extend(Path().glob("*scores*"))
        raise SystemExit(status)

    monkeypatch.setattr(LocalEngine, "map", stopped)
    monkeypatch.setattr("os._exit", end)

    assert score("table", output).returncode == 128 + signal.SIGTERM
    assert len(at_stop) == 1
    assert not after
