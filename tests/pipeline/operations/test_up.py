"""What `make up` checks, starts and says, with a stand-in for Docker; tests/contract/test_stack.py starts containers."""

import sys
from pathlib import Path

import pytest

from pipeline.clients.environment import SecretMissing
from pipeline.operations import docker_compose, up
from pipeline.operations.docker_compose import DockerUnavailable
from pipeline.operations.secret_files import DEVELOPMENT, SecretWeak
from pipeline.operations.up import ContainersFailed, ProjectTaken

pytestmark = pytest.mark.usefixtures("docker")


@pytest.mark.parametrize(("options", "profile"), [([], "monitoring"), (["--core"], "core")])
def test_containers_are_built_started_and_waited_for_with_the_commit_that_they_carry(docker, monkeypatch, options, profile):
    monkeypatch.setattr(sys, "argv", ["up", *options])
    monkeypatch.setattr(docker_compose.git, "output", lambda *words: " ".join(words))

    up.main()

    assert docker.changes() == [f"compose --profile {profile} up --detach --build --wait"]
    assert docker.noted("commits") == ["rev-parse HEAD"]


def test_where_they_answer_is_printed_by_their_ports(capsys, monkeypatch):
    monkeypatch.setenv("GRAFANA_PORT", "9999")

    up.main()

    printed = capsys.readouterr()
    assert "board http://127.0.0.1:8002 " in printed.out
    assert "http://127.0.0.1:8000/docs" in printed.out
    assert "Grafana :9999" in printed.out
    assert "There is no model yet" in printed.err
    assert "Secrets of development are in use" in printed.err


def test_the_core_has_no_monitoring_to_print_and_a_model_no_remark(capsys, monkeypatch, own):
    monkeypatch.setattr(sys, "argv", ["up", "--core"])
    Path("data/model/metadata.json").touch()

    up.main()

    printed = capsys.readouterr()
    assert "Grafana" not in printed.out
    assert printed.err.strip() == "Compose project flights: it has no volumes yet and begins with an empty database."


def test_volumes_that_are_there_are_named(docker, capsys):
    docker.has("other_postgres", "flights_postgres", folder=str(Path.cwd()))

    up.main()

    assert "Compose project flights: it goes on with the volumes flights_postgres.\n" in capsys.readouterr().err


def test_containers_of_another_clone_are_not_taken_over(docker):
    docker.has("flights_postgres", folder="/home/other/flights")

    with pytest.raises(ProjectTaken, match=r"containers of /home/other/flights; .* COMPOSE_PROJECT_NAME="):
        up.main()
    assert docker.changes() == []


@pytest.mark.parametrize("call", ["info", "compose?version"])
def test_without_docker_or_compose_nothing_starts(docker, call):
    docker.fails(call)

    with pytest.raises(DockerUnavailable, match="need Docker with compose v2; it does not answer here"):
        up.main()
    assert docker.changes() == []


def test_docker_that_is_not_installed_is_a_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "nowhere")

    with pytest.raises(DockerUnavailable):
        up.main()


def test_containers_that_do_not_come_up_show_their_last_lines(docker):
    docker.fails("*--wait")

    with pytest.raises(ContainersFailed, match="Not all containers came up; above is what each said last"):
        up.main()
    assert docker.noted("calls")[-1] == "compose --profile monitoring logs --no-color --tail 4"


@pytest.mark.parametrize("named", [None, str(DEVELOPMENT)])
def test_production_refuses_the_secrets_of_development(docker, monkeypatch, named):
    monkeypatch.setenv("ENVIRONMENT", "production")
    if named:
        monkeypatch.setenv("SECRETS", named)

    with pytest.raises(
        SecretWeak, match="Production needs secrets of its own; board_heartbeat_token is that of development"
    ):
        up.main()
    assert docker.noted("calls") == []


@pytest.mark.parametrize("password", ["eleven char", "eleven char\n", "eleven char\nand more"])
def test_production_refuses_a_short_password(docker, monkeypatch, own, password):
    monkeypatch.setenv("ENVIRONMENT", "production")
    (own / "grafana_admin_password").write_text(password)

    with pytest.raises(SecretWeak, match="12 characters or more; grafana_admin_password in own has fewer"):
        up.main()
    assert docker.noted("calls") == []


def test_production_refuses_a_missing_password(monkeypatch, own):
    monkeypatch.setenv("ENVIRONMENT", "production")
    (own / "kuma_admin_password").unlink()

    with pytest.raises(SecretMissing, match="SECRETS=own should hold kuma_admin_password"):
        up.main()


@pytest.mark.parametrize(("password", "options"), [("twelve chars", []), ("admin", ["--core"])])
def test_production_takes_strong_passwords_of_what_starts(docker, monkeypatch, own, password, options):
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setattr(sys, "argv", ["up", *options])
    (own / "grafana_admin_password").write_text(password)

    up.main()

    assert len(docker.changes()) == 1


def test_containers_may_read_a_clone_of_any_mask(docker):
    files = [Path("monitoring/prometheus/prometheus.yml"), Path("data/model/metadata.json"), DEVELOPMENT / "jwt_secret"]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o600)
        path.parent.chmod(0o700)
    Path("data").chmod(0o700)

    up.main()

    for path in files:
        assert path.stat().st_mode & 0o777 == 0o644
        assert path.parent.stat().st_mode & 0o777 == 0o755
    assert Path("data").stat().st_mode & 0o777 == 0o755
