"""Moves running containers to the secrets that SECRETS names: their passwords first, then a new start.

python -m pipeline.operations.rotate

Everything is checked and built before the first password changes. Each change may be made again, so that a rotation
that failed in the middle goes on with a second call.
"""

import argparse
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from pipeline.clients.environment import secret
from pipeline.operations import docker_compose, secret_files, up
from pipeline.support import console
from pipeline.support.errors import OntimeError

KUMA_COMMAND = ("uptime-kuma", "timeout", "60", "node", "extra/reset-password.js")
KUMA_SUCCESS = "Password reset successfully"
KUMA_LINES, KUMA_PAUSE_SECONDS = 30, 1.0
GRAFANA_COMMAND = ("grafana", "grafana", "cli", "--homepath", "/usr/share/grafana", "admin", "reset-admin-password")
POSTGRES_SQL = Path("db/rotate.sql")
POSTGRES_SCRIPT = (
    "IFS= read -r NEW_PASSWORD && export NEW_PASSWORD && "
    "exec psql --quiet --set ON_ERROR_STOP=1 --username ontime ontime"
)  # the password comes by standard input: on no command line and in no log
AGAIN = "Mend that, and type `make rotate` again."


class RotationImpossible(OntimeError):
    """Something is missing, and nothing was changed."""


class PasswordKept(OntimeError):
    """A password could not be changed."""


def main() -> None:
    """Rotates. Raises RotationImpossible, SecretMissing or SecretWeak before anything changes, later PasswordKept."""
    argparse.ArgumentParser(prog="python -m pipeline.operations.rotate", description=__doc__).parse_args()
    running = docker_compose.running()
    core = "prometheus" not in running
    folder = _checked_secrets(core)
    if "postgres" not in running:
        raise RotationImpossible(
            "Passwords are changed in databases that run, and PostgreSQL does not. Type `make up` first."
        )
    if not docker_compose.build(core):
        raise RotationImpossible("The images should build before a password changes; they did not. Above is why.")
    if "uptime-kuma" in running:
        change_uptime_kuma(secret(folder, "kuma_admin_password"))
    if "grafana" in running:
        change_grafana(secret(folder, "grafana_admin_password"))
    change_postgres(secret(folder, "database_password"))
    up.start(core, max(1, docker_compose.replicas("prediction-api")))
    change_first_admin(os.environ.get("FIRST_ADMIN") or "admin", secret(folder, "first_admin_password"))


def change_uptime_kuma(password: str) -> None:
    """Changes it by Uptime Kuma's own program. Raises PasswordKept.

    That program loses lines that come before it asks, so the password is sent again each second, while it runs.
    """
    command = ["docker", "compose", *docker_compose.EXEC, *KUMA_COMMAND]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for _ in range(KUMA_LINES):
            try:
                process.wait(KUMA_PAUSE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                _send(process, password)
        output = process.communicate()[0].decode(errors="replace")
    if KUMA_SUCCESS not in output:
        raise PasswordKept(f"Uptime Kuma keeps its password: {output.strip()}. {AGAIN}")
    console.say("Uptime Kuma has the new password.")


def change_grafana(password: str) -> None:
    """Changes the password of Grafana's admin. Raises PasswordKept."""
    done = _inside(
        *GRAFANA_COMMAND, "--password-from-stdin", text=f"{password}\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise PasswordKept(f"Grafana keeps its password: {done.stdout.strip()}. {AGAIN}")
    console.say("Grafana has the new password.")


def change_postgres(password: str) -> None:
    """Changes the password of the database's owner. Raises PasswordKept."""
    sql = POSTGRES_SQL.read_text(encoding="utf-8")
    if _inside("postgres", "sh", "-c", POSTGRES_SCRIPT, text=f"{password}\n{sql}").returncode:
        raise PasswordKept(f"PostgreSQL keeps its password; above is why. {AGAIN}")
    console.say("PostgreSQL has the new password.")


def change_first_admin(name: str, password: str) -> None:
    """Changes the password of the data service's first admin, whose tokens then count no more. Raises PasswordKept."""
    if _inside("data-api", "python", "-m", "data_api", "password", name, text=f"{password}\n").returncode:
        raise PasswordKept(f"{name} keeps the old password in the data service; above is why. {AGAIN}")


def _checked_secrets(core: bool) -> Path:
    """The folder of the new secrets, all of which are there and strong enough."""
    named = os.environ.get("SECRETS")
    if not named:
        raise RotationImpossible(
            "SECRETS in .env names no folder of secrets. Type `make secrets` first. Then `make rotate` by itself: "
            ".env is read as make begins."
        )
    folder = Path(named)
    for name in secret_files.FILES:
        secret(folder, name)
    secret_files.check_production(os.environ, core)
    secret_files.check_length(folder, ["first_admin_password"])
    return folder


def _inside(*words: str, text: str, **options: int) -> subprocess.CompletedProcess[str]:
    """What a command did inside a running container, which reads the text."""
    return docker_compose.docker("compose", *docker_compose.EXEC, *words, input=text, **options)


def _send(process: "subprocess.Popen[bytes]", line: str) -> None:
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()


if __name__ == "__main__":
    console.run(main)
