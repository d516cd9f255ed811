"""Dashboards are what their source gives, in Grafana's own models; queries find what is exported; nothing goes unseen."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.exporting import MATCHER, SELECTOR, SERVICES, matches
from ontime_dashboards import model_dashboard, reference, services_dashboard
from ontime_dashboards.__main__ import INTERVALS, differing, files

FOLDER = Path("monitoring/grafana")
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("dashboards/*.json"))}
PANELS = [(name, panel) for name, one in BOARDS.items() for panel in one["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for _, panel in PANELS for target in panel["targets"]]
RULES = [
    rule
    for path in sorted(Path("monitoring/prometheus/rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
CONFIG = yaml.safe_load(Path("monitoring/prometheus/prometheus.yml").read_text())
JOBS = {job["job_name"] for job in CONFIG["scrape_configs"]}
OF_ALL = {"up", "scrape_duration_seconds"}  # Prometheus writes them itself, for each target
OF_PROCESSES = {
    f"process_{name}" for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds", "start_time_seconds")
}
OF_OTHERS = {
    "node-exporter": OF_PROCESSES
    | {
        "node_boot_time_seconds", "node_cpu_seconds_total", "node_disk_io_time_seconds_total", "node_disk_read_bytes_total",
        "node_disk_written_bytes_total", "node_load1", "node_load15", "node_load5", "node_memory_MemAvailable_bytes",
        "node_memory_MemTotal_bytes", "node_network_receive_bytes_total", "node_network_transmit_bytes_total",
    },
    "prometheus": OF_PROCESSES
    | {
        "prometheus_notifications_dropped_total", "prometheus_rule_evaluation_failures_total",
        "prometheus_tsdb_head_samples_appended_total", "prometheus_tsdb_head_series", "prometheus_tsdb_storage_blocks_bytes",
        "prometheus_tsdb_wal_storage_size_bytes",
    },
    "alertmanager": OF_PROCESSES | {"alertmanager_notifications_failed_total"},
    "uptime-kuma": OF_PROCESSES | {"monitor_response_time", "monitor_status"},
}  # fmt: skip
FUNCTIONS = {"avg_over_time", "clamp_max", "clamp_min", "group_right", "histogram_quantile"}
# Labels that a query keeps without naming them.
KEPT = {"job", "instance", "device", "version"}


def named(case):
    return f"{case[0]}: {case[1]['title']}"


def lost(source, back, at=""):
    """Where a model did not keep what a file says; empty values mean the same as none."""
    if isinstance(source, dict) and isinstance(back, dict):
        for key, value in source.items():
            if key in back:
                yield from lost(value, back[key], f"{at}.{key}")
            elif value not in (None, [], {}, "", False):
                yield f"{at}.{key}"
    elif isinstance(source, list) and isinstance(back, list) and len(source) == len(back):
        for place, (one, other) in enumerate(zip(source, back, strict=True)):
            yield from lost(one, other, f"{at}[{place}]")
    elif source != back:
        yield at


def through_the_models(board):
    register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))


def selected(expr):
    """Each selector of a query: the metric and its matchers."""
    text = expr.replace("$version", ".*")
    return [(name, MATCHER.findall(inside)) for name, inside in SELECTOR.findall(text)]


def bare(expr):
    """The metrics of a query that stand without a selector."""
    text = SELECTOR.sub("", re.sub(r"\[[^\]]*\]", "", expr))
    text = re.sub(r"\b(?:by|on|group_right) \([^)]*\)", "", text)
    return set(re.findall(r"\b[a-z]\w*[:_][\w:]+\b", text)) - FUNCTIONS


def jobs(name, matchers):
    """The jobs that a selector asks."""
    (value,) = (value for label, _, value in matchers if label == "job")
    return JOBS if value == ".+" else set(value.split("|"))


def test_there_are_the_four_and_each_is_what_its_source_gives():
    assert list(BOARDS) == ["board", "model", "services", "system"]
    assert differing(files(), FOLDER / "dashboards") == []


def ran(*words):
    command = [sys.executable, "-m", "ontime_dashboards", *words]
    return subprocess.run(command, env={"PYTHONPATH": str(FOLDER)}, capture_output=True, text=True, check=False)


def test_the_check_names_each_file_that_differs_and_what_to_type(tmp_path):
    assert ran("--folder", str(tmp_path)).returncode == 0
    assert ran("--check", "--folder", str(tmp_path)).returncode == 0
    (tmp_path / "model.json").unlink()
    (tmp_path / "system.json").write_text((tmp_path / "system.json").read_text().replace("30s", "5s"))
    (tmp_path / "another.json").write_text("{}\n")

    refused = ran("--check", "--folder", str(tmp_path))
    written = ran("--folder", str(tmp_path))

    assert refused.returncode == 1
    assert [re.search(r"(\w+)\.json is not", line)[1] for line in refused.stderr.splitlines()] == [
        "another",
        "model",
        "system",
    ]
    assert refused.stderr.count("Type `make dashboards`.") == 3
    assert written.returncode == 0
    assert differing(files(), tmp_path) == []


@pytest.mark.parametrize("name", BOARDS)
def test_grafanas_own_models_know_each_field(name):
    assert list(lost(BOARDS[name], through_the_models(BOARDS[name]))) == []


def test_a_misspelt_field_would_be_found():
    board = json.loads(json.dumps(BOARDS["system"]))
    board["panels"][1]["fieldConfig"]["defaults"]["units"] = "s"
    board["refreshes"] = "30s"

    assert sorted(lost(board, through_the_models(board))) == [".panels[1].fieldConfig.defaults.units", ".refreshes"]


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_has_what_all_have(name):
    board = BOARDS[name]
    (link,) = board["links"]

    assert board["uid"] == f"ontime-{name}"
    assert board["tags"] == link["tags"] == ["ontime"]
    assert (board["refresh"], board["time"], board["timezone"]) == ("30s", {"from": "now-6h", "to": "now"}, "browser")
    assert [panel["id"] for panel in board["panels"]] == list(range(1, len(board["panels"]) + 1))
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("name", BOARDS)
def test_no_two_panels_overlap_and_none_leaves_the_grid(name):
    places = {panel["title"]: panel["gridPos"] for panel in BOARDS[name]["panels"]}
    cells = {
        title: {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for title, at in places.items()
    }

    assert [pair for pair in combinations(cells, 2) if cells[pair[0]] & cells[pair[1]]] == []
    assert all(x < 24 for one in cells.values() for x, _ in one)


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=map(named, PANELS))
def test_a_panel_says_what_good_is_and_in_which_unit(name, panel):
    assert panel["description"].startswith(("Good ", "Of 30 days"))
    assert panel["description"].endswith(".")
    assert "Good" in panel["description"] or " good " in panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} == {"prometheus"}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=map(named, PANELS))
def test_a_legend_names_labels_that_its_query_keeps(name, panel):
    for target in panel["targets"]:
        labels = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
        grouped = {
            label.strip()
            for one in re.findall(r"by \(([^)]*)\)", target["expr"])
            for label in one.split(",")
            if label.strip()
        }
        assert labels <= (grouped or KEPT)


@pytest.mark.parametrize("expr", QUERIES)
def test_a_query_asks_a_job_for_what_it_exports(exported, expr):
    known = {job: {name for name, _ in series} for job, series in exported.items()}
    for name, matchers in selected(expr):
        if name in RECORDED | {"ALERTS"}:
            continue
        asked = jobs(name, matchers)
        assert asked <= JOBS
        for job in asked if name not in OF_ALL else ():
            assert name in known.get(job, OF_OTHERS.get(job)), f"{job} exports no {name}"
            labels = [labels for one, labels in exported.get(job, []) if one == name]
            assert job not in SERVICES or any(matches(one, matchers) for one in labels), f"no {name} has {matchers}"
    assert bare(expr) <= RECORDED


def test_what_a_service_exports_is_on_a_panel_or_in_an_alert(exported):
    def stem(name):
        return re.sub(r"_(bucket|count|sum|total|created)$", "", name)

    texts = [*QUERIES, *(rule["expr"] for rule in RULES)]
    used = {stem(name) for text in texts for name, _ in selected(text)}
    own = {stem(name) for job, series in exported.items() for name, _ in series if name.startswith(SERVICES[job])}

    assert len(own) > 20
    assert own - used == set()


def test_what_is_drawn_as_bound_is_where_alerts_begin():
    expressions = "\n".join(rule["expr"] for rule in RULES if "alert" in rule)

    for bound in (
        f'{{score="roc_auc"}} < {model_dashboard.LOW_AUC}',
        f'{{score="calibration_error"}} > {model_dashboard.HIGH_CALIBRATION_ERROR:.2f}',
        f"> {model_dashboard.MODEL_DRIFTED:.0f}\nand on (job) max by (job) (data_api_drift_rows",
        f"> {model_dashboard.COLUMN_DRIFTED}\nand on (job) max by (job) (data_api_drift_rows",
        f"> {model_dashboard.STALE_DAYS} * 86400",
        f"14.4 * {services_dashboard.FAILED_ALLOWED}",
        f"14.4 * {services_dashboard.SLOW_ALLOWED}",
    ):
        assert bound in expressions


@pytest.mark.parametrize(
    ("title", "score"),
    [
        ("Does it rank well? (ROC AUC)", "roc_auc"),
        ("Are the cases that it ranks highest positive? (average precision)", "average_precision"),
        ("How far are probabilities from what happened? (Brier score)", "brier"),
        ("Does 30 % mean 30 %? (calibration error)", "calibration_error"),
    ],
)
def test_live_scores_are_drawn_over_the_interval_of_the_committed_ones(title, score):
    (panel,) = (panel for _, panel in PANELS if panel["title"] == title)
    tested = reference.read(INTERVALS)[score]
    defaults = panel["fieldConfig"]["defaults"]
    steps = [(step["value"], step["color"]) for step in defaults["thresholds"]["steps"]]

    assert (tested.low, "green") in steps
    assert steps[steps.index((tested.low, "green")) + 1] == (tested.high, "transparent")
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "area"}
    assert f"{tested.value:.3f}, with a 95 % interval from {tested.low:.3f} to {tested.high:.3f}" in panel["description"]


def test_the_latency_that_is_drawn_is_the_one_that_is_counted():
    counted = {
        edge
        for rule in RULES
        for edge in re.findall(r'prediction_api_request_seconds_bucket\{[^}]*le="([^"]+)"', rule["expr"])
    }

    assert counted == {str(services_dashboard.FAST_SECONDS)}


def test_grafana_is_given_the_source_that_panels_name_and_the_folder_that_the_stack_mounts():
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/ontime.yml").read_text())["providers"]
    stack = yaml.safe_load(Path("docker-compose.yml").read_text())["services"]["grafana"]["volumes"]

    assert (source["uid"], source["isDefault"], source["url"]) == ("prometheus", True, "http://prometheus:9090")
    assert source["jsonData"]["timeInterval"] == CONFIG["global"]["scrape_interval"]
    assert f"./monitoring/grafana/dashboards:{provider['options']['path']}:ro" in stack
    assert "./monitoring/grafana/provisioning:/etc/grafana/provisioning:ro" in stack
