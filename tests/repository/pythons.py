"""Reproduces and tests HEAD in a fresh clone with each Python that the project supports and this machine has.

Says which are absent. What is given as arguments runs in each clone in place of `make repro` and `make test`.
Exits with 1 where a command fails or a byte differs.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clones import cloned, environment, git

VERSIONS = ("3.11", "3.12", "3.13")
RESULTS = {True: "passed", False: "FAILED", None: "not here, skipped"}
COMMANDS = (("make", "repro"), ("make", "test"))


def interpreter(version: str) -> str | None:
    """A Python of this version that starts: on the PATH, or one that pyenv keeps."""
    kept = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob(f"versions/{version}.*/bin/python")
    for candidate in (shutil.which(f"python{version}"), *sorted(kept)):
        if candidate:
            ask = [candidate, "-c", "import sys; print(sys._base_executable)"]
            done = subprocess.run(ask, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return done.stdout.strip()
    return None


def passes(version: str, path: str, folder: Path, commands: tuple[tuple[str, ...], ...]) -> bool:
    """Whether all commands pass in a clone whose .venv is of this Python, and leave the bytes that are committed."""
    clone, start = cloned(folder), time.perf_counter()
    settings = environment(folder, PYTHON=path, VIRTUAL_ENV="")
    for command in (("make", "setup"), *commands):
        print(f"== Python {version}: {shlex.join(command)}", flush=True)
        status = subprocess.run(command, cwd=clone, env=settings, check=False).returncode
        if status:
            print(f"== Python {version}: {shlex.join(command)} failed ({status})", flush=True)
            return False
    changed = git("status", "--porcelain", at=clone)
    print(
        f"== Python {version}: passed after {time.perf_counter() - start:.0f} s; {changed or 'the same bytes'}", flush=True
    )
    return not changed


def main() -> int:
    commands = (tuple(sys.argv[1:]),) if sys.argv[1:] else COMMANDS
    interpreters = {version: interpreter(version) for version in VERSIONS}
    with tempfile.TemporaryDirectory(prefix="ontime-pythons-") as folder:
        passed = {
            version: passes(version, path, Path(folder) / version, commands)
            for version, path in interpreters.items()
            if path
        }
    for version in VERSIONS:
        print(f"Python {version}: {RESULTS[passed.get(version)]}")
    return 0 if passed and all(passed.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
