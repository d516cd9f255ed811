"""The commits between which a change lies, and the text of a file in a commit or in the working tree, by git."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.support.errors import OntimeError
from pipeline.versioning import git

WORKING_TREE = "the working tree"


class CommitMissing(OntimeError):
    """The commit does not exist in this repository."""


@dataclass(frozen=True)
class Commit:
    """One commit: its hash and the first line of its message."""

    hash: str
    subject: str

    def __str__(self) -> str:
        """The abbreviated hash."""
        return self.hash[:9]


@dataclass(frozen=True)
class CommitRange:
    """The commits of a change, from ``base``, the merge base of ``asked`` and HEAD, and the ``uncommitted`` files."""

    asked: str
    base: Commit
    head: Commit
    uncommitted: tuple[str, ...]


def commit_range(asked: str) -> CommitRange:
    """From the merge base of ``asked`` and HEAD to the working tree, as a pull request sees a change.

    Raises CommitMissing where git, the repository, the commit or a common ancestor is not there.
    """
    if git.output("rev-parse", "--git-dir") is None:
        raise CommitMissing(
            "The report compares with a commit; this folder is no git repository, or git is not installed. "
            "Clone Ontime with git."
        )
    head = git.output("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head is None:
        raise CommitMissing("The report compares with a commit; HEAD has none yet. Commit first.")
    other = resolve_commit(asked, "BASE")
    base = git.output("merge-base", other, head)
    if base is None:
        raise CommitMissing(
            f"{asked} and HEAD should have a common ancestor; there is none here. {_how_to_fetch(asked, 'BASE')}"
        )
    commits = [Commit(name, git.output("log", "-1", "--format=%s", name) or "") for name in (base, head)]
    return CommitRange(asked, commits[0], commits[1], tuple(git.changed_files()))


def resolve_commit(asked: str, setting: str) -> str:
    """The hash of the commit ``asked``, the value of ``setting``. Raises CommitMissing, which says how to fetch it."""
    commit_hash = git.output("rev-parse", "--verify", "--quiet", "--end-of-options", f"{asked}^{{commit}}")
    if commit_hash is None:
        problem = f"{setting} should be a branch, tag or commit; there is no {asked} here."
        raise CommitMissing(f"{problem} {_how_to_fetch(asked, setting)}")
    return commit_hash


def text(path: Path, commit: Commit | None = None) -> str | None:
    """The text of a file in a commit, or in the working tree without one; None where it does not exist."""
    if commit is None:
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    return git.output("show", f"{commit.hash}:./{path.as_posix()}")


def _how_to_fetch(asked: str, setting: str) -> str:
    if git.output("rev-parse", "--is-shallow-repository") == "true":
        return "This clone is shallow: type `git fetch --unshallow` (in a workflow: fetch-depth 0)."
    elsewhere = (git.output("for-each-ref", "--format=%(refname:short)", f"refs/remotes/*/{asked}") or "").splitlines()
    if elsewhere:
        return f"Type {setting}={elsewhere[0]}."
    return "`git fetch` brings what the remote has, and `git branch --all` lists it."
