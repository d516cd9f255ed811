"""docker-compose.yml and the Dockerfiles, without an engine: what starts, and who may do what."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import board.settings
import data_api.settings
import prediction_api.settings
from pipeline.compute import fork_server

FILE = Path("docker-compose.yml")
TEXT = FILE.read_text()
WHOLE = yaml.safe_load(TEXT)
SERVICES = WHOLE["services"]
OURS = {name for name, one in SERVICES.items() if "build" in one}
CORE = {"postgres", "data-api", "prediction-api", "gateway", "board", "pipeline"}
DASK = {"dask-scheduler", "dask-worker"}
DOCKERFILES = sorted(Path(name) for name in subprocess.check_output(["git", "ls-files", "*Dockerfile"], text=True).split())
DEVELOPMENT = Path(".secrets/development")


def test_the_file_passes_the_published_schema():
    done = subprocess.run(
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", DOCKERFILES, ids=str)
def test_lint_finds_nothing_in_a_dockerfile(path):
    done = subprocess.run(["hadolint", str(path)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_each_dockerfile_is_built_by_a_service():
    built = {
        one["build"].get("dockerfile") or f"{one['build']['context']}/Dockerfile"
        for one in SERVICES.values()
        if "build" in one
    }

    assert built == set(map(str, DOCKERFILES))


def test_the_project_is_named_after_the_folder_so_that_clones_do_not_share_volumes():
    assert "name" not in WHOLE


def test_without_a_profile_only_the_core_starts():
    assert {name for name, one in SERVICES.items() if "profiles" not in one} == CORE
    assert {tuple(one["profiles"]) for name, one in SERVICES.items() if name not in CORE | DASK} == {("", "monitoring")}
    assert {tuple(SERVICES[name]["profiles"]) for name in DASK} == {("dask",)}


def test_workers_in_containers_keep_freed_memory_like_those_of_a_stage():
    wanted = {name: value for name, value in fork_server.ENVIRONMENT.items() if name.startswith("MALLOC_")}

    assert wanted.items() <= SERVICES["dask-worker"]["environment"].items()


def test_the_core_waits_for_nothing_of_the_monitoring():
    for name in CORE:
        for other, how in SERVICES[name].get("depends_on", {}).items():
            assert other in CORE or how["required"] is False, f"{name} waits for {other}"


def services(*words):
    asked = ["docker", "compose", *words, "config", "--services"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode:
        pytest.skip("docker compose is not installed: the profiles were only read")
    return set(done.stdout.split())


def test_a_plain_up_starts_everything_and_another_profile_the_core():
    assert services() == services("--profile", "monitoring") == set(SERVICES) - DASK
    assert services("--profile", "core") == CORE
    assert services("--profile", "dask") == CORE | DASK


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_port_is_published_on_this_machine_alone(name):
    assert [port for port in SERVICES[name].get("ports", []) if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_container_of_ours_may_write_nothing_but_its_volumes_and_has_limits(name):
    one = SERVICES[name]

    assert (one["read_only"], one["cap_drop"], one["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert set(one["deploy"]["resources"]["limits"]) == {"memory", "cpus", "pids"}
    assert set(one.get("cap_add", [])) <= ({"SETGID", "SETUID"} if name in {"pipeline", *DASK} else set())


@pytest.mark.parametrize("path", DOCKERFILES, ids=str)
def test_an_image_of_ours_runs_as_a_plain_user(path):
    """Only the container of the pipeline starts as root; it then runs as the owner of the checkout."""
    users = re.findall(r"^USER (\S+)", path.read_text(), re.MULTILINE)

    assert users[-1:] == ["10001:10001"] or (path.parts[0] == "src" and "setpriv" in path.read_text())


def test_the_image_of_the_board_holds_all_code_of_ours_that_the_board_loads():
    lines = re.findall(r"^COPY ((?:src|serving)/.*) \S+$", Path("serving/board/Dockerfile").read_text(), re.MULTILINE)
    copied = [Path(path) for line in lines for path in line.split()]
    imports = "import sys, board.__main__, pipeline.recipes.flights.live"
    code = f"{imports}; print(*(getattr(module, '__file__', None) for module in sys.modules.values()))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "src:serving"}, capture_output=True, text=True, check=True
    )
    loaded = [Path(path) for path in done.stdout.split() if Path(path).is_relative_to(Path.cwd()) and ".venv" not in path]
    ours = [path.relative_to(Path.cwd()) for path in loaded]

    assert len(ours) > 30
    assert [path for path in ours if not any(path.is_relative_to(part) for part in copied)] == []


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"pipeline", "kuma-provisioner", "node-exporter"}))
def test_what_goes_on_running_says_whether_it_is_well(name):
    build = SERVICES[name].get("build")
    dockerfile = build and Path(build.get("dockerfile") or f"{build['context']}/Dockerfile")

    assert SERVICES[name]["restart"] == "unless-stopped"
    assert "healthcheck" in SERVICES[name] or "HEALTHCHECK" in dockerfile.read_text()


def test_the_cluster_is_reached_from_this_machine_and_reaches_no_service():
    assert {name for name, one in SERVICES.items() if "compute" in one["networks"]} == DASK
    assert all(SERVICES[name]["networks"] == ["compute"] for name in DASK)
    assert all(volume.endswith(":ro") for name in DASK for volume in SERVICES[name]["volumes"])


def test_only_who_must_is_in_the_network_of_the_database():
    assert WHOLE["networks"]["database"] == {"internal": True}
    assert {name for name, one in SERVICES.items() if "database" in one["networks"]} == {
        "postgres",
        "data-api",
        "uptime-kuma",
    }


def test_each_secret_has_a_file_of_development_and_a_strong_one(tmp_path):
    declared = {name: one["file"].rpartition("/")[2] for name, one in WHOLE["secrets"].items()}
    used = {
        one if isinstance(one, str) else one["source"] for service in SERVICES.values() for one in service.get("secrets", [])
    }
    (tmp_path / "Makefile").write_text(Path("Makefile").read_text())
    command = ["make", "--directory", str(tmp_path), "--assume-old", ".venv/.ready", "secrets"]

    (tmp_path / ".env").write_text("LOG_LEVEL=INFO")
    subprocess.run(command, check=True, capture_output=True, umask=0o077)
    strong = {path.name: path.read_text() for path in (tmp_path / ".secrets/own").iterdir()}
    subprocess.run(command, check=True, capture_output=True)

    assert all(name == file for name, file in declared.items())
    assert used == set(declared) == {path.name for path in DEVELOPMENT.iterdir()} == set(strong)
    assert strong == {path.name: path.read_text() for path in (tmp_path / ".secrets/own").iterdir()}
    assert not {path.read_text() for path in DEVELOPMENT.iterdir()} & set(strong.values())
    assert all(len(text.strip()) >= 30 for text in strong.values())
    assert len(set(strong.values())) == len(strong)
    assert (tmp_path / ".secrets/own").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / ".secrets/own").iterdir()} == {0o644}
    assert (tmp_path / ".env").read_text() == "LOG_LEVEL=INFO\nSECRETS=.secrets/own\n"


@pytest.mark.parametrize("name", ["outbox", "live_scores", "pipeline", "board"])
def test_a_heartbeat_goes_where_its_token_leads(name):
    token = (DEVELOPMENT / f"{name}_heartbeat_token").read_text()

    assert (DEVELOPMENT / f"{name}_heartbeat_url").read_text() == f"http://uptime-kuma:3001/api/push/{token}"


def test_each_variable_that_turns_the_containers_is_in_the_list_of_settings():
    listed = set(re.findall(r"^#? ?([A-Z_]+)=", Path(".env.example").read_text(), re.MULTILINE))

    assert set(re.findall(r"\$\{([A-Z_]+)", TEXT)) - listed == set()


@pytest.mark.parametrize(
    ("service", "settings", "fixed"),
    [
        ("data-api", data_api.settings.Settings, {"data_api_host", "data_api_port"}),
        ("board", board.settings.Settings, {"board_host", "board_port"}),
        (
            "prediction-api",
            prediction_api.settings.Settings,
            {"prediction_api_host", "prediction_api_port", "outbox_dir", "git_commit"},
        ),
    ],
)
def test_each_setting_of_a_service_reaches_its_container(service, settings, fixed):
    """By the environment or as a file; the rest is what the image itself fixes."""
    one = SERVICES[service]
    secrets = {name if isinstance(name, str) else name["target"] for name in one["secrets"]}
    given = {name.lower() for name in one["environment"]} | secrets

    assert set(settings.model_fields) - given == fixed
