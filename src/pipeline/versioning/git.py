"""What git answers: other modules make sense of it, or an error."""

import subprocess

from pipeline.support.errors import OntimeError

NOT_INSTALLED = 127  # the status of a command that a shell does not find


class GitUnavailable(OntimeError):
    """git does not answer a question."""


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    """What `git WORDS` did; where git is not installed, a failure that says so."""
    command = ["git", *words]
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, NOT_INSTALLED, "", "git is not installed")


def uncommitted() -> list[str]:
    """The tracked files that differ from HEAD. Raises GitUnavailable."""
    done = ask("status", "--porcelain", "--untracked-files=no")
    if done.returncode != 0:
        raise GitUnavailable(
            f"git should say what is not committed; it says {done.stderr.strip() or 'nothing'}. See to it, and start again."
        )
    return [line[3:] for line in done.stdout.splitlines()]


def answer(*words: str) -> str | None:
    """What git prints, without the last line's end; None where it fails."""
    done = ask(*words)
    return done.stdout.rstrip("\n") if done.returncode == 0 else None
