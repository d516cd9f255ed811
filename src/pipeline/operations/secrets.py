"""Writes strong secrets for the containers into .secrets/own, and names that folder in .env.

python -m pipeline.operations.secrets
"""

from pathlib import Path
from secrets import token_urlsafe

from pipeline.operations.secret_files import FILES, HEARTBEATS, OWN
from pipeline.support import console
from pipeline.support.errors import OntimeError

PUSH_URL = "http://uptime-kuma:3001/api/push/"
SECRET_BYTES = 24
PRIVATE, READABLE = 0o700, 0o644  # the folder keeps people out; containers read its files as other users
ENV = Path(".env")


class OtherSecretsNamed(OntimeError):
    """.env names another folder of secrets."""


def main() -> None:
    """Writes what is missing and keeps what is there. Raises OtherSecretsNamed."""
    console.parser(__spec__, __doc__).parse_args()
    write(OWN)
    name_in_env(ENV)
    console.say(f"Secrets are in {OWN}, and {ENV} names them. What runs keeps its old ones until `make rotate`.")


def write(folder: Path) -> None:
    """Fills the folder: a random line for each secret, and a URL that ends in each token."""
    folder.mkdir(PRIVATE, parents=True, exist_ok=True)
    for path in (folder / name for name in FILES if not name.endswith("_url")):
        if not path.is_file() or not path.stat().st_size:
            path.write_text(f"{token_urlsafe(SECRET_BYTES)}\n", encoding="utf-8")
    for name in HEARTBEATS:
        token = (folder / f"{name}_heartbeat_token").read_text(encoding="utf-8")
        (folder / f"{name}_heartbeat_url").write_text(PUSH_URL + token, encoding="utf-8")
    for name in FILES:
        (folder / name).chmod(READABLE)


def name_in_env(file: Path) -> None:
    """Adds the folder to the file as SECRETS. Raises OtherSecretsNamed where it names another one."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    named = [line.partition("=")[2] for line in text.splitlines() if line.startswith("SECRETS=")]
    if not named:
        with file.open("a", encoding="utf-8") as env:
            env.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}SECRETS={OWN}\n")
    elif named[-1] != str(OWN):
        raise OtherSecretsNamed(f"{file} should say SECRETS={OWN}; it says SECRETS={named[-1]}. Change that line.")


if __name__ == "__main__":
    console.run(main)
