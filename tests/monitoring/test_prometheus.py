"""Prometheus takes its configuration; alerts are silent and fire when they should, and read what is exported."""

import re
from pathlib import Path

import pytest
import yaml

import prediction_api.metrics
from monitoring.exporting import MATCHER, SELECTOR, SERVICES, matches
from monitoring.programs import ran

FOLDER = Path("monitoring/prometheus")
CONFIG = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
FILES = sorted(FOLDER.glob("rules/*.yml"))
TESTS = sorted(FOLDER.glob("tests/*.test.yml"))
RULES = [rule for path in FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
CASES = [case for path in TESTS for case in yaml.safe_load(path.read_text())["tests"]]
ASKED = [asked for case in CASES for asked in case.get("alert_rule_test", [])]
FUNCTIONS = {"avg_over_time", "last_over_time", "predict_linear"}


def named(rule):
    """An alert with the labels that tell it from others of its name."""
    return "-".join(
        [rule["alert"], *(str(rule["labels"][label]) for label in ("severity", "over") if label in rule["labels"])]
    )


def test_the_configuration_is_one_that_prometheus_takes():
    done = ran("promtool", "check", "config", str(FOLDER / "prometheus.yml"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(FILES)} rule files found" in done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_rules_pass_promtools_lint(path):
    done = ran("promtool", "check", "rules", "--lint=all", "--lint-fatal", str(path))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_do_what_their_tests_say(path):
    done = ran("promtool", "test", "rules", str(path))

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_of_tests_are_those_of_the_rules():
    assert {path.name.split(".")[0].split("-")[0] for path in TESTS} == {path.stem for path in FILES}


@pytest.mark.parametrize(
    "path", [path for path in TESTS if "alert_rule_test" in path.read_text()], ids=lambda path: path.name
)
def test_what_is_recorded_is_there_when_an_alert_of_a_test_reads_it(path):
    test = yaml.safe_load(path.read_text())
    groups = [
        group["name"] for name in test["rule_files"] for group in yaml.safe_load((path.parent / name).read_text())["groups"]
    ]

    assert test.get("group_eval_order", groups[:1]) == groups


@pytest.mark.parametrize("rule", ALERTS, ids=named)
def test_an_alert_has_a_case_in_which_it_is_silent_and_one_in_which_it_fires(rule):
    asked = [one["exp_alerts"] for one in ASKED if one["alertname"] == rule["alert"]]
    labels = {name: str(value) for name, value in rule["labels"].items()}
    fires = [
        alert
        for alerts in asked
        for alert in alerts
        if labels.items() <= {name: str(value) for name, value in alert["exp_labels"].items()}.items()
    ]

    assert [] in asked, "no case in which it is silent"
    assert fires, "no case in which it fires"


def test_tests_ask_only_for_alerts_that_there_are():
    assert {one["alertname"] for one in ASKED} <= {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=named)
def test_an_alert_says_how_urgent_what_and_what_to_do(rule):
    page, _, heading = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (\w+)$", Path(page).read_text(), re.MULTILINE)

    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["for"]
    assert rule["annotations"]["summary"].rstrip().endswith(".")
    assert page == "monitoring/README.md"
    assert rule["alert"] in headings
    assert heading == rule["alert"].lower()


def test_two_alerts_of_one_name_differ_in_their_labels():
    assert len({named(rule) for rule in ALERTS}) == len(ALERTS)


def test_alertmanager_leaves_out_only_alerts_that_there_are():
    inhibited = yaml.safe_load(Path("monitoring/alertmanager/alertmanager.yml").read_text())["inhibit_rules"]
    matchers = " ".join(one for rule in inhibited for kind in ("source", "target") for one in rule[f"{kind}_matchers"])
    names = {name for names in re.findall(r'alertname !?=~? "?([\w|]+)', matchers) for name in names.split("|")}

    assert len(names) > 5
    assert names <= {rule["alert"] for rule in ALERTS}


def test_the_page_has_no_runbook_of_an_alert_that_is_gone():
    headings = re.findall(r"^### (\w+)$", Path("monitoring/README.md").read_text(), re.MULTILINE)

    assert set(headings) == {rule["alert"] for rule in ALERTS}
    assert len(headings) == len(set(headings))


def test_each_job_is_scraped_where_the_stack_has_it():
    jobs = {job["job_name"]: job for job in CONFIG["scrape_configs"]}
    replicas = {name: jobs[name]["dns_sd_configs"][0] for name in SERVICES}
    static = {name: job["static_configs"][0]["targets"] for name, job in jobs.items() if "static_configs" in job}

    assert {name: (one["names"], one["type"], one["port"]) for name, one in replicas.items()} == {
        "prediction-api": (["prediction-api"], "A", 8000),
        "data-api": (["data-api"], "A", 8001),
        "board": (["board"], "A", 8002),
    }
    assert static == {
        "node-exporter": ["node-exporter:9100"],
        "prometheus": ["localhost:9090"],
        "alertmanager": ["alertmanager:9093"],
        "uptime-kuma": ["uptime-kuma:3001"],
    }


def test_a_rule_selects_a_job_that_is_scraped_or_what_another_rule_records():
    jobs = {job["job_name"] for job in CONFIG["scrape_configs"]}
    for rule in RULES:
        text = re.sub(r"\b(?:by|on|without|ignoring) \([^)]*\)", "", rule["expr"])
        for name, inside in SELECTOR.findall(text):
            job = next((value for label, _, value in MATCHER.findall(inside) if label == "job"), None)
            assert name in RECORDED or job in jobs, f"{name} in {rule.get('alert') or rule['record']}"
        bare = set(re.findall(r"\b[a-z]\w*[:_][\w:]+\b", SELECTOR.sub("", text)))
        assert bare <= RECORDED | FUNCTIONS, f"{bare} in {rule.get('alert') or rule['record']}"


@pytest.mark.parametrize("job", SERVICES)
def test_what_a_rule_selects_is_exported_with_these_labels(exported, job):
    selectors = {
        (name, inside) for rule in RULES for name, inside in SELECTOR.findall(rule["expr"]) if f'job="{job}"' in inside
    } - {("up", f'job="{job}"')}
    unknown = [
        f"{name}{{{inside}}}"
        for name, inside in sorted(selectors)
        if not any(known == name and matches(labels, MATCHER.findall(inside)) for known, labels in exported[job])
    ]

    assert selectors
    assert unknown == []


@pytest.mark.parametrize("job", SERVICES)
def test_tests_of_rules_feed_only_what_is_exported(exported, job):
    known = {(name, frozenset(labels)) for name, labels in exported[job]}
    fed = {
        (name, frozenset(label for label, _, _ in MATCHER.findall(inside)) - {"job", "instance"})
        for case in CASES
        for name, inside in SELECTOR.findall("\n".join(one["series"] for one in case["input_series"]))
        if f'job="{job}"' in inside and name != "up"
    }

    assert fed
    assert fed <= known


def test_the_bound_of_latency_is_one_of_the_buckets():
    assert {
        float(edge)
        for rule in RULES
        for edge in re.findall(r'prediction_api_request_seconds_bucket\{[^}]*le="([^"]+)"', rule["expr"])
    } <= set(prediction_api.metrics.REQUEST_SECONDS)
