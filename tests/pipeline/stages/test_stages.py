"""All four stages on small tables of other kinds, as DVC runs them; and what each says when something is wrong."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import in_process
from penguins import TREES
from pipeline.params import compose

ROOT = Path.cwd()
STAGES = ("ingest", "preprocess", "train", "evaluate")
QUICK = ["evaluate.resamples=20", "evaluate.importance_rows=100", "evaluate.smallest_slice=20"]
FEWER_TREES = {"hgb": [f"model.max_iter={TREES}"]}
EACH_STAGE = (
    "import runpy, sys\nfor stage in sys.argv[1:]: runpy.run_module(f'pipeline.stages.{stage}', run_name='__main__')"
)


@pytest.fixture
def place(empty_mlflow, tmp_path, monkeypatch):
    """An empty folder with the penguins, in which stages can run and log."""
    (tmp_path / "tests/pipeline").mkdir(parents=True)
    shutil.copy("tests/pipeline/penguins.csv", tmp_path / "tests/pipeline")
    shutil.copy(empty_mlflow, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    return tmp_path


def quick(model="hgb"):
    """The overrides of a model that is evaluated in less than a second."""
    return [f"model={model}", *FEWER_TREES.get(model, ()), *QUICK]


def settings(place, *overrides, model="hgb"):
    """Writes params.yaml for the penguins, or for what the overrides say."""
    composed = compose.compose(ROOT / "conf", ["data=table", *quick(model), *overrides])
    compose.write(composed, place / "params.yaml")


def run(place, stage):
    """A stage in this process."""
    return in_process.run(f"stages.{stage}", folder=place)


def run_all(place, stages=STAGES):
    for stage in stages:
        done = run(place, stage)
        assert done.returncode == 0, done.stderr


def run_process(place, stage, **options):
    """A stage in a process of its own, as DVC starts it."""
    command = [sys.executable, "-m", f"pipeline.stages.{stage}"]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, **options)


def said(done):
    """The one sentence of a stage that failed as a person should see it."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr[done.stderr.index("error: ") :].split())


@pytest.mark.parametrize("model", ["hgb", "lightgbm", "logistic"])
def test_the_penguins_pass_all_four_stages_without_a_line_of_python(place, model):
    settings(place, model=model)
    run_all(place)

    metrics = json.loads((place / "data/report/metrics.json").read_text())
    intervals = json.loads((place / "data/report/intervals.json").read_text())
    schema = json.loads((place / "data/model/schema.json").read_text())
    reference = schema["probability"]["reference"]
    assert len(reference["shares"]) == len(reference["edges"]) + 1 > 2
    assert sum(reference["shares"]) == pytest.approx(1, abs=1e-5)
    counts = json.loads((place / "data/processed/counts.json").read_text())
    assert metrics == {name: interval["value"] for name, interval in intervals.items()}
    assert intervals["roc_auc"]["low"] <= metrics["roc_auc"] <= intervals["roc_auc"]["high"]
    assert metrics["roc_auc"] > 0.9
    assert [column["name"] for column in schema["columns"]][:2] == ["species", "island"]
    assert schema["columns"][0]["categories"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert schema["source"] is None
    assert counts == {"train": 249, "test": 84, "left_out": {"sex unknown": 11}}
    assert "female" in (place / "data/report/report.html").read_text()
    card = (place / "data/report/model_card.md").read_text()
    assert "The penguin is female (sex = female)" in card
    assert "Not declared: write `purpose` in conf/card/table.yaml." in card
    assert json.loads((place / "data/model/metadata.json").read_text())["card"]["purpose"] == ""
    assert not list((place / "data").rglob(".*.new"))


def test_a_model_of_a_sample_says_so_and_describes_the_rows_of_the_sample(place):
    settings(place, "train.max_rows=120", model="lightgbm")
    run_all(place)

    metadata = json.loads((place / "data/model/metadata.json").read_text())
    assert metadata["rows"] == {"trained": 120, "table": 249}
    assert "lightgbm" in metadata["versions"]
    assert json.loads((place / "data/model/schema.json").read_text())["rows"] == 120
    assert "120 of 249 training rows" in (place / "data/report/report.html").read_text()
    assert "| Sample | 120 of 249 training rows" in (place / "data/report/model_card.md").read_text()


def test_the_model_carries_the_texts_of_its_card(place):
    (place / "conf/card").mkdir(parents=True)
    (place / "conf/card/table.yaml").write_text("purpose: To sort *penguins*.\nuses: [In tests., At home.]\n")
    settings(place, model="logistic")
    run_all(place, STAGES[:3])

    card = json.loads((place / "data/model/metadata.json").read_text())["card"]
    assert (card["purpose"], card["uses"], card["limits"]) == ("To sort *penguins*.", ["In tests.", "At home."], [])


def minimal(place, text):
    """Writes params.yaml for a data set that declares no more than ``text``."""
    shutil.copytree(ROOT / "conf", place / "conf", dirs_exist_ok=True)
    (place / "conf/data/mine.yaml").write_text(text)
    compose.write(compose.compose(place / "conf", ["data=mine", *quick()]), place / "params.yaml")


def test_a_file_and_a_target_are_enough_and_the_inferred_columns_are_written_down(place):
    minimal(place, "source: {path: tests/pipeline/penguins.csv}\ntarget: {name: sex, positive: female}\n")
    ingest = run(place, "ingest")
    run_all(place, STAGES[1:])

    written = yaml.safe_load((place / "data/raw/columns.yaml").read_text())["columns"]
    schema = json.loads((place / "data/model/schema.json").read_text())
    assert {column["name"]: column["kind"] for column in schema["columns"]} == {
        name: declared["kind"] for name, declared in written.items()
    } == {
        "species": "category", "island": "category", "bill_length_mm": "number", "bill_depth_mm": "number",
        "flipper_length_mm": "number", "body_mass_g": "number", "year": "number",
    }  # fmt: skip
    assert schema["name"] == "penguins"
    assert (
        "No columns are declared, so the model takes those of the table: species, island, bill_length_mm, bill_depth_mm, "
        "flipper_length_mm, body_mass_g, year. data/raw/columns.yaml declares them; to change that, copy it"
    ) in " ".join(ingest.stderr.split())
    assert pd.read_csv(place / "data/report/plots/slices.csv").empty
    contributions = pd.read_csv(place / "data/report/plots/contributions.csv")["topic"]
    assert set(contributions) == {column["topic"] for column in schema["columns"]} == set(written)


def test_of_many_columns_without_topics_the_most_important_are_topics_and_the_others_one_together(place):
    table, random = pd.read_csv(place / "tests/pipeline/penguins.csv"), np.random.default_rng(1)
    noise = {f"noise_{number}": random.normal(size=len(table)) for number in range(6)}
    table.assign(**noise).to_csv(place / "wide.csv", index=False)
    minimal(place, "source: {path: wide.csv}\ntarget: {name: sex, positive: female}\n")
    run_all(place)

    columns = json.loads((place / "data/model/schema.json").read_text())["columns"]
    topics = {column["name"]: column["topic"] for column in columns}
    together = [name for name, topic in topics.items() if topic == "other columns"]
    assert len(topics) == 13
    assert len(together) == 6
    assert {name: topic for name, topic in topics.items() if name not in together} == {
        name: name for name in topics if name not in together
    }
    assert not {"body_mass_g", "bill_depth_mm"} & set(together)
    assert len(pd.read_csv(place / "data/report/plots/contributions.csv")) == 8


def test_columns_that_were_inferred_can_be_declared_and_give_the_same_examples(place):
    target = "source: {path: tests/pipeline/penguins.csv}\ntarget: {name: sex, positive: female}\n"
    minimal(place, target)
    run_all(place, STAGES[:2])
    inferred = (place / "data/processed/train/000000.parquet").read_bytes()
    minimal(place, target + (place / "data/raw/columns.yaml").read_text())
    run_all(place, STAGES[:2])

    assert (place / "data/processed/train/000000.parquet").read_bytes() == inferred
    assert not (place / "data/raw/columns.yaml").exists()


def test_a_file_of_another_format_needs_that_setting_and_no_columns(place):
    text = (place / "tests/pipeline/penguins.csv").read_text().replace(",", ";")
    (place / "penguins.csv").write_text(text)
    declared = "source: {path: penguins.csv}\ntarget: {name: sex, positive: female}\n"
    minimal(place, declared)
    refused = said(run(place, "ingest"))
    minimal(place, declared + 'tables: {table: {separator: ";"}}\n')
    run_all(place, STAGES[:2])

    assert 'write `separator: ";"`' in refused
    assert len(yaml.safe_load((place / "data/raw/columns.yaml").read_text())["columns"]) == 7


def test_an_answer_that_is_not_declared_is_asked_for(place):
    minimal(place, "source: {path: tests/pipeline/penguins.csv}\ntarget: {name: sex}\n")
    run_all(place, STAGES[:1])

    words = "data.target.positive is missing; column sex holds female, male: which of them counts as yes is not declared"
    assert words in said(run(place, "preprocess"))


def test_a_slice_of_no_inferred_column_is_refused_before_training(place):
    minimal(place, "source: {path: tests/pipeline/penguins.csv}\ntarget: {name: sex}\nslices: [specie]\n")

    assert "data.slices[0] is specie; it should be in data.columns" in said(run(place, "ingest"))


@pytest.mark.parametrize("model", ["hgb", "logistic"])
def test_columns_that_are_empty_in_training_rows_are_ignored_there_and_said_to_be(place, model):
    random, size = np.random.default_rng(5), 600
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(size), "h")
    amount = random.normal(size=size)
    sensor = pd.Series(random.normal(size=size)).where(np.arange(size) >= 500)  # its first value is among the test rows
    frame = pd.DataFrame(
        {
            "day": day, "amount": amount, "sensor": sensor, "late": sensor.where(np.arange(size) < 0), "same": 1.0,
            "seen": day.where(np.arange(size) < 0), "y": (amount + random.normal(size=size) > 0).astype(int),
        }
    )  # fmt: skip
    frame.to_csv(place / "sensors.csv", index=False)
    columns = {
        "sensor": "number",
        "late": "number",
        "same": "number",
        "seen": "datetime",
        "amount": "number",
        "day": "datetime",
    }
    declared = {
        "source": {"path": "sensors.csv"},
        "target": {"name": "y"},
        "columns": {name: {"kind": kind} for name, kind in columns.items()},
        "split": {"by": "time", "column": "day", "test_from": "2024-01-21"},
    }
    minimal(place, yaml.safe_dump(declared, sort_keys=False))
    compose.write(compose.compose(place / "conf", ["data=mine", *quick(model)]), place / "params.yaml")
    run_all(place, STAGES[:2])
    train = run(place, "train")
    run_all(place, STAGES[3:])

    assert train.returncode == 0
    assert train.stderr.count(", ignoring sensor, late, seen, empty there") == 4
    importances = pd.read_csv(place / "data/report/plots/importances.csv").set_index("column")["auc_loss"]
    assert importances[["sensor", "late", "same", "seen"]].tolist() == [0, 0, 0, 0]


def test_a_parquet_table_with_datetimes_split_by_time_passes_all_four_stages(place):
    random = np.random.default_rng(5)
    size = 800
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.sort(random.integers(0, 700 * 86_400, size)), unit="s")
    amount = random.gamma(2.0, 50.0, size).round(2)
    shop = random.choice(["north", "south", None], size)
    odds = 0.01 * amount + (shop == "north") + np.where(when.hour < 8, 1.5, 0.0) - 2.0
    frame = pd.DataFrame(
        {"when": when, "amount": amount, "shop": shop, "returned": random.random(size) < 1 / (1 + np.exp(-odds))}
    )
    frame.loc[::9, "amount"] = np.nan
    frame.to_parquet(place / "orders.parquet")
    conf = place / "conf"
    shutil.copytree(ROOT / "conf", conf)
    (conf / "data/orders.yaml").write_text(
        """
        name: orders
        recipe: table
        source: {path: orders.parquet}
        tables: {table: {file: "${data.source.path}", columns: "${data.columns}"}}
        target: {name: returned, positive: true}
        columns:
          when: {kind: datetime, nullable: false}
          amount: {kind: number, unit: EUR, range: [0, null]}
          shop: {kind: category}
        split: {by: time, column: when, test_from: 2021-07-01}
        slices: [shop, when.weekday]
        resample_by: when.date
        """
    )
    compose.write(compose.compose(conf, ["data=orders", *quick()]), place / "params.yaml")
    run_all(place)

    slices = pd.read_csv(place / "data/report/plots/slices.csv", dtype={"slice": str})
    test = pd.read_parquet(place / "data/processed/test")
    assert test["when"].min() >= pd.Timestamp("2021-07-01")
    assert set(slices["slice"][slices["by"] == "shop"]) == {"north", "south", "missing"}
    assert json.loads((place / "data/report/metrics.json").read_text())["roc_auc"] > 0.6


def test_the_same_params_give_the_same_bytes_whatever_the_hash_seed_and_the_threads(place, reproduced):
    """DVC ran the stages in processes with one thread, and hash seeds of chance."""
    shutil.copy(reproduced / "params.yaml", place)
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "1234",
        "OMP_NUM_THREADS": "2",
        "GOMP_SPINCOUNT": "1000",
    }  # as in dvc.yaml
    command = [sys.executable, "-c", EACH_STAGE, *STAGES]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    here, there = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in (folder / "data").rglob("*")
            if path.name != ".gitignore" and path.is_file()
        }
        for folder in (place, reproduced)
    )
    assert here.keys() == there.keys()
    assert [path for path in here if here[path] != there[path]] == []


def test_small_and_large_numbers_of_a_table_are_not_rounded(place):
    table = pd.read_csv(place / "tests/pipeline/penguins.csv")
    table.assign(body_mass_g=table["body_mass_g"] / 1e8).to_csv(place / "tests/pipeline/penguins.csv", index=False)
    settings(place, "data.columns.body_mass_g.range=null")
    run_all(place, ["ingest", "preprocess"])

    assert pd.read_parquet(place / "data/processed/train/000000.parquet")["body_mass_g"].nunique() > 50


def test_a_category_may_be_called_na_where_the_table_says_what_is_missing(place):
    source = place / "tests/pipeline/penguins.csv"
    source.write_text(source.read_text().replace("Dream", "NA").replace("NA,NA,NA,NA,NA", ",,,,"))
    settings(place, '+data.tables.table.missing=[""]', "data.slices=[island]")
    run_all(place, ["ingest"])

    assert "NA" in set(pd.read_parquet(place / "data/raw/table/000000.parquet")["island"])


def test_rows_that_are_allowed_to_break_their_declaration_pass_with_a_warning(place):
    source = place / "tests/pipeline/penguins.csv"
    source.write_text(source.read_text().replace("39.1,18.7", "139.1,18.7"))
    settings(place, "ingest.invalid_rows_allowed=1", "preprocess.invalid_rows_allowed=1")

    for stage in ("ingest", "preprocess"):
        done = run(place, stage)
        assert done.returncode == 0, done.stderr
        assert "warning: 1 " in done.stderr


# What people do wrong, and what they are told.


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+model.alhpa=1", "model.alhpa is not a setting"),
        ("model.learning_rate=fast", "model.learning_rate is 'fast'"),
        (
            "model.max_iter=0",
            "model.max_iter is 0; the 'max_iter' parameter of HistGradientBoostingClassifier must be",
        ),
        ("+data.late_minutes=15", "data.late_minutes is not a setting"),
        ("data.recipe=nothing", "data.recipe is 'nothing'"),
    ],
)
def test_a_faulty_setting_stops_the_stage_by_its_full_name_before_it_reads_data(place, override, words):
    settings(place)
    key, _, value = override.lstrip("+").partition("=")
    params = yaml.safe_load((place / "params.yaml").read_text())
    block = params
    for part in key.split(".")[:-1]:
        block = block[part]
    block[key.split(".")[-1]] = yaml.safe_load(value)
    (place / "params.yaml").write_text(yaml.safe_dump(params))

    sentence = said(run(place, "train" if key.startswith("model.") else "preprocess"))

    assert words in sentence
    assert "data/" not in sentence.replace("conf/data/", "")


def test_a_source_that_is_not_there_is_named(place):
    settings(place, "data.source.path=nowhere.csv")

    assert "Table table is read from nowhere.csv, which is not there" in said(run(place, "ingest"))


def test_a_source_with_another_digest_is_refused(place):
    settings(place, f"+data.tables.table.sha256={'0' * 64}")

    assert "penguins.csv should have the sha256 000000000000" in said(run(place, "ingest"))


def test_a_column_that_is_missing_is_named_and_the_last_good_output_stays(place):
    settings(place)
    run_all(place, ["ingest"])
    before = (place / "data/raw/table/000000.parquet").read_bytes()
    source = place / "tests/pipeline/penguins.csv"
    source.write_text(source.read_text().replace("island", "isle"))

    assert "column island is missing" in said(run(place, "ingest"))
    assert (place / "data/raw/table/000000.parquet").read_bytes() == before


def test_rows_with_the_same_key_are_refused_whatever_may_break_its_declaration(place):
    settings(place, "+data.tables.table.key=[species,body_mass_g]", "ingest.invalid_rows_allowed=300")

    assert "own key (species, body_mass_g); row 4 has no body_mass_g." in said(run(place, "ingest"))


def test_a_category_full_of_numbers_is_refused(place):
    settings(place, "data.columns.island.description=x")
    table = pd.read_csv(place / "tests/pipeline/penguins.csv")
    table.assign(island=np.arange(len(table)) / 7).to_csv(place / "tests/pipeline/penguins.csv", index=False)

    assert "island should be a category, not numbers" in said(run(place, "ingest"))


def test_a_damaged_raw_table_is_refused_with_the_way_back(place):
    settings(place)
    run_all(place, ["ingest"])
    raw = place / "data/raw/table/000000.parquet"
    raw.write_bytes(raw.read_bytes()[:-100])

    sentence = said(run(place, "preprocess"))

    assert "data/raw/table/000000.parquet should be a Parquet file" in sentence
    assert "dvc checkout --force" in sentence


def test_a_test_period_without_rows_is_refused_with_the_range_that_is_there(place):
    table = pd.read_csv(place / "tests/pipeline/penguins.csv")
    moments = pd.date_range("2008-01-01", periods=len(table), freq="D")
    table.assign(when=moments).to_csv(place / "tests/pipeline/penguins.csv", index=False)
    settings(
        place,
        "+data.columns.when={kind: datetime}",
        "~data.split",
        "+data.split={by: time, column: when, test_from: 2031-01-01}",
    )
    run_all(place, ["ingest"])

    sentence = said(run(place, "preprocess"))

    assert "The test part needs rows with and without sex; it has 0 rows" in sentence
    assert "runs from 2008-01-01" in sentence


def test_an_altered_model_is_not_scored(place):
    settings(place)
    run_all(place, ["ingest", "preprocess", "train"])
    graph = place / "data/model/model.onnx"
    graph.write_bytes(graph.read_bytes() + b"x")

    assert "was altered since it was written: model.onnx" in said(run(place, "evaluate"))


def test_a_folder_that_cannot_be_written_is_named(place):
    settings(place)
    (place / "data").write_text("in the way")

    assert "Reading or writing" in said(run(place, "ingest"))


def test_a_full_disk_leaves_the_last_good_output_and_says_what_to_do(place):
    settings(place)
    run_all(place, ["ingest"])
    before = (place / "data/raw/table/000000.parquet").read_bytes()

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    sentence = said(run_process(place, "ingest", preexec_fn=no_room))

    assert "Free space or grant access, then try again" in sentence
    assert (place / "data/raw/table/000000.parquet").read_bytes() == before
    assert not list((place / "data").glob(".*"))


def test_a_tracking_server_that_is_down_costs_a_warning_and_not_the_run(place, monkeypatch):
    settings(place)
    run_all(place, ["ingest", "preprocess", "train"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    done = run(place, "evaluate")

    assert done.returncode == 0, done.stderr
    assert "warning: MLflow did not log this run" in done.stderr
    assert (place / "data/report/metrics.json").is_file()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_stage_leaves_the_last_good_output(place, number):
    settings(place, "model.max_iter=5000")
    run_all(place, ["ingest", "preprocess"])
    model = place / "data/model"
    model.mkdir()
    (model / "model.onnx").write_text("the last good one")

    running = subprocess.Popen([sys.executable, "-m", "pipeline.stages.train"], cwd=place, stderr=subprocess.PIPE, text=True)
    for line in running.stderr:
        if "read the examples" in line:
            break
    time.sleep(0.3)
    running.send_signal(number)
    rest = running.communicate()[1]

    assert running.returncode != 0
    assert "Traceback" not in rest
    assert (model / "model.onnx").read_text() == "the last good one"
    assert [path.name for path in model.iterdir()] == ["model.onnx"]
