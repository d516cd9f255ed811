"""Runs git in the working directory."""

import subprocess

from pipeline.support.errors import OntimeError

NOT_INSTALLED = 127  # the exit status of a shell for a command that does not exist


class GitUnavailable(OntimeError):
    """git failed or is not installed."""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The finished process `git ARGUMENTS`; where git is not installed, one with status 127."""
    command = ["git", *arguments]
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, NOT_INSTALLED, "", "git is not installed")


def changed_files() -> list[str]:
    """The tracked files that differ from HEAD. Raises GitUnavailable."""
    done = run("diff", "--name-only", "--relative", "-z", "HEAD")
    if done.returncode != 0:
        raise GitUnavailable(
            f"git should list the files that are not committed; it failed with: {done.stderr.strip() or 'no message'}. "
            "Correct that, and try again."
        )
    return done.stdout.split("\0")[:-1]


def output(*arguments: str) -> str | None:
    """What git prints, without the final newline; None where it fails."""
    done = run(*arguments)
    return done.stdout.rstrip("\n") if done.returncode == 0 else None
