"""An invalid file is refused with the path of each invalid key, all at once."""

from pathlib import Path

import pytest
import yaml

from kuma_provisioner.config_loader import read
from kuma_provisioner.errors import DeclarationInvalid

CONFIG = """
monitors:
  web: {type: http, url: "http://web:80/"}
  base: {type: port, hostname: base, port: 5432}
status_page:
  slug: things
  title: Things
  groups:
    All: [web, base, work]
"""
AGENT = "heartbeats: {work: {token_env: WORK_TOKEN}}"


@pytest.fixture
def problems(tmp_path):
    """A function from the texts of both files to the lines of the error."""

    def read_invalid(config=CONFIG, agent=AGENT):
        paths = tmp_path / "kuma_config.yml", tmp_path / "kuma_agent.yml"
        for path, text in zip(paths, (config, agent), strict=True):
            path.write_text(text)
        with pytest.raises(DeclarationInvalid) as caught:
            read(*paths)
        return str(caught.value).splitlines()

    return read_invalid


def test_the_files_of_this_repository_declare_what_runs():
    declared = read(Path("monitoring/kuma/kuma_config.yml"), Path("monitoring/kuma/kuma_agent.yml"))
    monitors = declared.config.monitors

    assert {name: getattr(item, "url", None) or f"{item.hostname}:{item.port}" for name, item in monitors.items()} == {
        "gateway": "http://gateway:8000/readyz",
        "prediction service": "http://prediction-api:8000/readyz",
        "board": "http://gateway:8002/readyz",
        "board process": "http://board:8002/healthz",
        "data service": "http://data-api:8001/readyz",
        "PostgreSQL": "postgres:5432",
        "MLflow": "http://mlflow:5000/health",
        "Prometheus": "http://prometheus:9090/-/ready",
        "Alertmanager": "http://alertmanager:9093/-/ready",
        "Grafana": "http://grafana:3000/api/health",
    }
    assert {name: heartbeat.token_env for name, heartbeat in declared.agent.heartbeats.items()} == {
        "outbox": "OUTBOX_HEARTBEAT_TOKEN",
        "live scores": "LIVE_SCORES_HEARTBEAT_TOKEN",
        "official predictions": "BOARD_HEARTBEAT_TOKEN",
        "pipeline": "PIPELINE_HEARTBEAT_TOKEN",
    }
    on_the_page = [name for names in declared.config.status_page.groups.values() for name in names]
    assert sorted(on_the_page) == sorted([*monitors, *declared.agent.heartbeats])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("type: http,", "type: http, intervall_seconds: 30,",
         "monitors.web.intervall_seconds: unknown; did you mean interval_seconds?"),
        ("type: http,", "type: http, port: 80,", "monitors.web.port: unknown here"),
        ("type: http,", "type: http, zzz: 80,", "monitors.web.zzz: unknown"),
        ("type: http", "type: htp", "monitors.web.type: should be http or port, not 'htp'"),
        ("type: http, ", "", "monitors.web.type: should be http or port, and is missing"),
        (", port: 5432", "", "monitors.base.port: missing"),
        ("port: 5432", "port: 70000", "monitors.base.port: should be less than or equal to 65535, not 70000"),
        ("port: 5432", "port: '5432'", "monitors.base.port: should be a valid integer, not '5432'"),
        ("type: http,", "type: http, interval_seconds: 19,",
         "monitors.web.interval_seconds: should be greater than or equal to 20, not 19"),
        ("type: http,", "type: http, accepted_statuses: [2xx],",
         "monitors.web.accepted_statuses.0: should be a status such as 200 or a range such as 200-299, not '2xx'"),
        ("http://web:80/", "web:80", "monitors.web.url: should begin with http:// or https://, not 'web:80'"),
        ("title: Things", "titel: Things", "status_page.titel: unknown; did you mean title?"),
        ("  web:", "  ' web':", "monitors. web: should neither begin nor end with a space, not ' web'"),
        ("slug: things", "slug: Some Things",
         "status_page.slug: should be small letters and digits, with single hyphens between them, not 'Some Things'"),
        ("work]", "wrok]", "status_page.groups.All: names 'wrok', which neither file declares"),
        ("work]", "web]", "status_page.groups.All: names a monitor twice"),
        ("  base:", "  web:", 'is not valid YAML: line 4: found duplicate key "web" with value "{}" (original value: "{}")'),
        ("  base:", "  work:", "monitors.work: is also a heartbeat in kuma_agent.yml; rename one of them"),
        ("monitors:", "monitros:", "monitros: unknown; did you mean monitors?"),
    ],
)  # fmt: skip
def test_a_problem_is_named_by_its_key(problems, old, new, problem):
    assert old in CONFIG

    assert f"kuma_config.yml: {problem}" in problems(config=CONFIG.replace(old, new))


def test_all_problems_of_both_files_are_named_at_once(problems):
    lines = problems(config=CONFIG.replace("url:", "uri:"), agent=AGENT.replace("token_env", "token"))

    assert lines == [
        "kuma_config.yml: monitors.web.url: missing",
        "kuma_config.yml: monitors.web.uri: unknown; did you mean url?",
        "kuma_agent.yml: heartbeats.work.token_env: missing",
        "kuma_agent.yml: heartbeats.work.token: unknown; did you mean token_env?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file: should be a mapping"),
        ("- a", "the file: should be a mapping"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_refused(problems, text, problem):
    assert any(line.startswith(f"kuma_agent.yml: {problem}") for line in problems(agent=text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DeclarationInvalid, match=r"none\.yml: cannot be read: No such file"):
        read(tmp_path / "none.yml", Path("monitoring/kuma/kuma_agent.yml"))


def test_the_longest_interval_is_the_limit_of_uptime_kuma(problems):
    declared = yaml.safe_load(AGENT)
    declared["heartbeats"]["work"]["interval_seconds"] = 2_073_601

    (line,) = problems(agent=yaml.safe_dump(declared))
    assert "heartbeats.work.interval_seconds: should be less than or equal to 2073600" in line
