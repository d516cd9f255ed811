"""What a command of DVC prints. It runs in a process of its own: its bars would run through the moving line of a step."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from pipeline.support.errors import OntimeError

MOST_CHARACTERS = 600  # of what DVC says where it fails: it ends with the cause


class DvcFailed(OntimeError):
    """A command of DVC ended with an error."""


def run(*words: str, **environment: str) -> str:
    """What `dvc WORDS` prints, with these variables in its environment. Raises DvcFailed with the end of what it says."""
    status, output, fault = execute(words, {**os.environ, **environment})
    if status != 0:
        cause = " ".join((fault or output)[-MOST_CHARACTERS:].split()) or "nothing"
        raise DvcFailed(f"`dvc {' '.join(words)}` should work; it says: {cause.rstrip('.')}. Type it to see, and try again.")
    return output


def execute(words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """The status of `dvc WORDS` and what it prints on both outputs."""
    # Files, for the workers that `dvc queue start` leaves behind would hold pipes open until they end.
    # A session of its own, for Ctrl-C on a terminal goes to every process of this one.
    command = [sys.executable, "-m", "dvc", *words]
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(command, env=environment, stdout=printed, stderr=said, check=False, start_new_session=True)
        printed.seek(0)
        said.seek(0)
        return done.returncode, printed.read(), said.read()
