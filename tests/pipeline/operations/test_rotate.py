"""A rotation checks everything before it changes anything, and can go on after it failed, with a stand-in for Docker."""

import os
import subprocess

import pytest

from pipeline.clients.environment import SecretMissing
from pipeline.operations import rotate
from pipeline.operations.rotate import PasswordKept, RotationImpossible
from pipeline.operations.secret_files import SecretWeak

CORE = ("postgres", "data-api", "prediction-api")
MONITORING = ("prometheus", "uptime-kuma", "grafana")
KUMA = f"compose exec -T uptime-kuma sh -c {rotate.KUMA_SCRIPT}"
GRAFANA = (
    "compose exec -T grafana grafana cli --homepath /usr/share/grafana admin reset-admin-password --password-from-stdin"
)


def short(call):
    """The part of a call that says what it changes."""
    return next(word for word in ("build", "up", "uptime-kuma", "grafana", "postgres", "data-api") if word in call.split())


def test_all_passwords_change_before_all_containers_start_anew(docker, own, capsys):
    docker.runs(*CORE, *MONITORING, replicas=3)

    rotate.main()

    assert list(map(short, docker.changes())) == ["build", "uptime-kuma", "grafana", "postgres", "up", "data-api"]
    assert docker.changes()[:3] == ["compose --profile monitoring build --quiet", KUMA, GRAFANA]
    assert docker.changes()[4:] == [
        "compose --profile monitoring up --detach --build --wait --force-recreate --scale prediction-api=3 --scale board=3",
        "compose exec -T data-api python -m data_api password admin",
    ]
    assert docker.noted("given") == [
        f"uptime-kuma {(own / 'kuma_admin_password').read_text().strip()}",
        f"grafana {(own / 'grafana_admin_password').read_text().strip()}",
        f"postgres {(own / 'database_password').read_text().strip()}",
        "ALTER ROLE",
        f"data-api {(own / 'first_admin_password').read_text().strip()}",
    ]
    said = capsys.readouterr().err
    for name in ("Uptime Kuma", "Grafana", "PostgreSQL", "The data service's admin"):
        assert f"{name} has the new password." in said


def test_no_password_stands_on_a_command_line(docker, own):
    docker.runs(*CORE, *MONITORING)

    rotate.main()

    assert "$HOME" not in "".join(docker.noted("calls"))


def test_of_the_core_the_core_is_built_and_started(docker, own, monkeypatch):
    monkeypatch.setenv("FIRST_ADMIN", "root")

    rotate.main()

    assert list(map(short, docker.changes())) == ["build", "postgres", "up", "data-api"]
    assert docker.changes()[0] == "compose --profile core build --quiet"
    assert docker.changes()[2].endswith(
        "--profile core up --detach --build --wait --force-recreate --scale prediction-api=1 --scale board=1"
    )
    assert docker.changes()[3].endswith("password root")


def test_without_a_folder_of_secrets_nothing_changes(docker):
    with pytest.raises(RotationImpossible, match=r"names no folder of secrets\. Type `make secrets` first"):
        rotate.main()
    assert docker.changes() == []


@pytest.mark.parametrize("text", [None, ""])
def test_a_missing_secret_is_named_and_nothing_changes(docker, own, text):
    path = own / "live_scores_heartbeat_url"
    path.unlink()
    if text is not None:
        path.write_text(text)

    with pytest.raises(SecretMissing, match="SECRETS=own should hold live_scores_heartbeat_url; there is none"):
        rotate.main()
    assert docker.changes() == []


@pytest.mark.parametrize(
    ("name", "environment"), [("first_admin_password", "development"), ("database_password", "production")]
)
def test_a_weak_secret_is_named_and_nothing_changes(docker, own, monkeypatch, name, environment):
    monkeypatch.setenv("ENVIRONMENT", environment)
    (own / name).write_text("eleven char\n")

    with pytest.raises(SecretWeak, match=f"{name} in own has fewer"):
        rotate.main()
    assert docker.changes() == []


def test_where_the_database_does_not_run_nothing_changes(docker, own):
    docker.runs("data-api")

    with pytest.raises(RotationImpossible, match=r"PostgreSQL does not\. Type `make up` first"):
        rotate.main()
    assert docker.changes() == []


def test_where_a_build_fails_no_password_changes(docker, own):
    docker.fails("*build*--quiet")

    with pytest.raises(RotationImpossible, match="The images should build before a password changes; they did not"):
        rotate.main()
    assert list(map(short, docker.changes())) == ["build"]


@pytest.mark.parametrize(
    ("pattern", "sentence", "done"),
    [
        ("*reset-password.js", "Uptime Kuma keeps the old password: it does not work", []),
        ("*reset-admin-password*", "Grafana keeps the old password: it does not work", ["uptime-kuma"]),
        ("*postgres*", "PostgreSQL keeps the old password: it does not work", ["uptime-kuma", "grafana"]),
        (
            "*password?admin",
            "The data service's admin keeps the old password: it does not work",
            ["uptime-kuma", "grafana", "postgres", "up"],
        ),
    ],
)
def test_a_password_that_cannot_change_is_named_and_a_second_call_goes_on(docker, own, pattern, sentence, done):
    docker.runs(*CORE, *MONITORING)
    docker.fails(pattern)

    with pytest.raises(PasswordKept, match=rf"{sentence}\. Correct that, and type `make rotate` again"):
        rotate.main()
    assert list(map(short, docker.changes()))[1:-1] == done

    docker.fails("nothing")
    rotate.main()
    assert list(map(short, docker.changes()))[-6:] == ["build", "uptime-kuma", "grafana", "postgres", "up", "data-api"]


def test_uptime_kuma_that_changes_nothing_and_ends_well_is_not_believed(docker, own, monkeypatch, tmp_path):
    docker.runs(*CORE, *MONITORING)
    stand_in = tmp_path / "docker/docker"
    stand_in.write_text(stand_in.read_text().replace("Password reset successfully.", "No such user."))

    with pytest.raises(PasswordKept, match=r"Uptime Kuma keeps the old password: No such user\.\. Correct that"):
        rotate.main()


def test_uptime_kumas_program_is_sent_the_password_until_it_takes_it(tmp_path, monkeypatch):
    """It loses what comes before it asks; here it takes the third line, and ends."""
    program = (
        '#!/bin/sh\nread -r lost; read -r lost; IFS= read -r taken; printf %s "$taken" > taken; echo ' + rotate.KUMA_SUCCESS
    )
    (tmp_path / "node").write_text(program)
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    done = subprocess.run(
        ["sh", "-c", rotate.KUMA_SCRIPT],
        input=" a $b \\n\n",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )

    assert rotate.KUMA_SUCCESS in done.stdout
    assert (tmp_path / "taken").read_text() == " a $b \\n"
