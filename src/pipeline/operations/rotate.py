"""Moves running containers to the secrets that SECRETS names: their passwords first, then a new start.

python -m pipeline.operations.rotate

Everything is checked and built before the first password changes. Each change can be repeated, so that a second call
completes a rotation that failed in the middle.
"""

import os
import subprocess
from pathlib import Path

from pipeline.clients.environment import secret
from pipeline.operations import docker_compose, secret_files, up
from pipeline.support import console
from pipeline.support.errors import OntimeError

# Each command reads the new password from standard input, so that it is on no command line and in no log.
# Uptime Kuma's program loses lines that come before it asks, so the password is sent again each second, while it runs.
KUMA_SCRIPT = (
    "IFS= read -r password; while sleep 1; do printf '%s\\n' \"$password\"; done | timeout 60 node extra/reset-password.js"
)
KUMA_SUCCESS = "Password reset successfully"
GRAFANA_COMMAND = "grafana cli --homepath /usr/share/grafana admin reset-admin-password --password-from-stdin"
SCALED = ("prediction-api", "board")  # the services that may have several containers, which a new start keeps
POSTGRES_SQL = Path("db/rotate.sql")
POSTGRES_SCRIPT = (
    "IFS= read -r NEW_PASSWORD && export NEW_PASSWORD && exec psql --quiet --set ON_ERROR_STOP=1 --username ontime ontime"
)


class RotationImpossible(OntimeError):
    """Something is missing, and nothing was changed."""


class PasswordKept(OntimeError):
    """A password could not be changed."""


def main() -> None:
    """Rotates. Raises RotationImpossible, SecretMissing or SecretWeak before anything changes, later PasswordKept."""
    console.parser(__spec__, __doc__).parse_args()
    running = docker_compose.running()
    core = "prometheus" not in running
    folder = _checked_secrets(core)
    if "postgres" not in running:
        raise RotationImpossible(
            "Passwords are changed in databases that run, and PostgreSQL does not. Type `make up` first."
        )
    if docker_compose.compose(core, "build", "--quiet").returncode:
        raise RotationImpossible("The images should build before a password changes; they did not. Above is why.")
    if "uptime-kuma" in running:
        password = secret(folder, "kuma_admin_password")
        _change("Uptime Kuma", ["uptime-kuma", "sh", "-c", KUMA_SCRIPT], password, success=KUMA_SUCCESS)
    if "grafana" in running:
        _change("Grafana", ["grafana", *GRAFANA_COMMAND.split()], secret(folder, "grafana_admin_password"))
    sql = POSTGRES_SQL.read_text(encoding="utf-8")
    _change("PostgreSQL", ["postgres", "sh", "-c", POSTGRES_SCRIPT], secret(folder, "database_password"), sql)
    up.start(core, {service: max(1, docker_compose.replicas(service)) for service in SCALED})
    admin = os.environ.get("FIRST_ADMIN") or "admin"  # whose tokens are invalid from then on
    command = ["data-api", "python", "-m", "data_api", "password", admin]
    _change(f"The data service's {admin}", command, secret(folder, "first_admin_password"))


def _change(owner: str, command: list[str], password: str, more: str = "", success: str = "") -> None:
    """Gives the password to a command inside a running container. Raises PasswordKept with all that the command prints."""
    done = docker_compose.docker(
        "compose", "exec", "-T", *command, input=f"{password}\n{more}", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode or success not in done.stdout:
        raise PasswordKept(
            f"{owner} keeps the old password: {done.stdout.strip()}. Correct that, and type `make rotate` again."
        )
    console.say(f"{owner} has the new password.")


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


if __name__ == "__main__":
    console.run(main)
