"""Refuses to promote or search from data/ that no commit reproduces."""

from collections.abc import Collection
from pathlib import Path

from pipeline.support.errors import OntimeError
from pipeline.versioning import dvc_lock, dvc_status, git

MOST_NAMES = 3  # in a message


class NotCommitted(OntimeError):
    """The content of data/ is not what a commit reproduces."""


def require(rule: str, stages: Collection[str], sources: Collection[str] = ()) -> str:
    """The commit that is checked out, where it has ``sources`` and reproduces data/ with the outputs of these stages.

    Raises NotCommitted, which begins with the ``rule`` that wants this.
    """
    commit = _git(rule, "rev-parse", "HEAD")
    if changed := git.changed_files():
        raise NotCommitted(
            f"{rule}; {len(changed)} files have changed since {commit[:9]}, such as {changed[0]}. "
            "Commit them; `make reset` drops the results of an experiment."
        )
    _refuse_untracked(rule, sources)
    status = dvc_status.changed_stages()
    if stale := dvc_status.stale_reasons(status):
        raise NotCommitted(
            f"{rule}; changed since data/ was made: {'; '.join(stale[:MOST_NAMES])}. "
            "Type `make repro`, and commit what changes."
        )
    if incomplete := [name for name in stages if name in status]:
        raise NotCommitted(
            f"{rule}; {', '.join(incomplete)} would run again or lack their outputs. "
            "Type `dvc checkout` or `dvc pull` if the commit is right, or `make repro` and commit."
        )
    return commit


def _refuse_untracked(rule: str, sources: Collection[str]) -> None:
    """Raises NotCommitted where a stage reads, or would read, a file that no commit holds: nobody else could reproduce."""
    paths = sorted({*dvc_lock.read().inputs(), *(Path(source).as_posix() for source in sources)})
    if outside := [path for path in paths if Path(path).is_absolute() or ".." in Path(path).parts]:
        raise NotCommitted(
            f"{rule}; {', '.join(outside[:MOST_NAMES])} is outside this repository. "
            "Put it into data/, and add and commit it, or the .dvc file that `dvc add` writes."
        )
    new = _git(rule, "ls-files", "-z", "--others", "--exclude-standard", "--", "conf", "src", *paths).split("\0")[:-1]
    new += [path for path in paths if path not in new and not _is_tracked(rule, Path(path))]
    if new:
        raise NotCommitted(
            f"{rule}; {', '.join(new[:MOST_NAMES])} is in no commit. "
            "Add and commit it, or, where it is large, the .dvc file that `dvc add` writes."
        )


def _is_tracked(rule: str, path: Path) -> bool:
    """Whether git tracks a file, or the .dvc file of it or of a folder that contains it."""
    dvc_files = (f"{part}.dvc" for part in (path, *path.parents) if part.name)
    return bool(_git(rule, "ls-files", "--", str(path), *dvc_files))


def _git(rule: str, *arguments: str) -> str:
    done = git.run(*arguments)
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotCommitted(f"{rule}; git gives none ({last_line}). Commit this repository with git.")
    return done.stdout.strip()
