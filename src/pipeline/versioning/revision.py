"""The commits that a change lies between, and the text of a file in one of them or in the working tree: what git knows."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.support.errors import OntimeError
from pipeline.versioning import git

WORKING_TREE = "the working tree"


class CommitMissing(OntimeError):
    """There is no such commit here."""


@dataclass(frozen=True)
class Commit:
    """One commit: its hash and the first line of its message."""

    hash: str
    subject: str

    def __str__(self) -> str:
        """The hash as people write it."""
        return self.hash[:9]


@dataclass(frozen=True)
class CommitRange:
    """What a change is held against: ``base``, where HEAD left the branch ``asked``; and what HEAD does not hold yet."""

    asked: str
    base: Commit
    head: Commit
    uncommitted: tuple[str, ...]


def commit_range(asked: str) -> CommitRange:
    """From the merge base of ``asked`` and HEAD to the working tree, as a pull request sees a change.

    Raises CommitMissing where git, the repository, the commit or a common ancestor is not there.
    """
    if git.answer("rev-parse", "--git-dir") is None:
        raise CommitMissing(
            "The report compares with a commit; this folder is no git repository, or git is not installed. "
            "Clone Ontime with git."
        )
    head = git.answer("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head is None:
        raise CommitMissing("The report compares with a commit; HEAD has none yet. Commit first.")
    other = known(asked, "BASE")
    base = git.answer("merge-base", other, head)
    if base is None:
        raise CommitMissing(
            f"{asked} and HEAD should have a common ancestor; none is known here. {_how_to_fetch(asked, 'BASE')}"
        )
    return CommitRange(asked, _commit(base), _commit(head), _uncommitted())


def known(asked: str, setting: str) -> str:
    """The hash of the commit that somebody asked for by this setting. Raises CommitMissing, which says how to get it."""
    found = git.answer("rev-parse", "--verify", "--quiet", "--end-of-options", f"{asked}^{{commit}}")
    if found is None:
        said = f"{setting} should be a branch, tag or commit; there is no {asked} here."
        raise CommitMissing(f"{said} {_how_to_fetch(asked, setting)}")
    return found


def text(path: Path, commit: Commit | None = None) -> str | None:
    """What a file holds in a commit, or in the working tree without one; None where it is not there."""
    if commit is None:
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    return git.answer("show", f"{commit.hash}:./{path.as_posix()}")


def _how_to_fetch(asked: str, setting: str) -> str:
    if git.answer("rev-parse", "--is-shallow-repository") == "true":
        return "This clone is shallow: type `git fetch --unshallow` (in a workflow: fetch-depth 0)."
    elsewhere = (git.answer("for-each-ref", "--format=%(refname:short)", f"refs/remotes/*/{asked}") or "").splitlines()
    if elsewhere:
        return f"Type {setting}={elsewhere[0]}."
    return "`git fetch` brings what the remote has, and `git branch --all` lists it."


def _commit(name: str) -> Commit:
    return Commit(name, git.answer("log", "-1", "--format=%s", name) or "")


def _uncommitted() -> tuple[str, ...]:
    """The tracked files that differ from HEAD, from this folder down."""
    return tuple((git.answer("diff", "HEAD", "--name-only", "--relative") or "").splitlines())
