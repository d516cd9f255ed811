"""Rolls back to the previous champion: python -m pipeline.registry.rollback. Each call undoes one more change."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.registry import champion_history, lineage
from pipeline.registry.champion_history import AliasChange
from pipeline.registry.mlflow_registry import CHAMPION, NAME, Registry, Version
from pipeline.support import console
from pipeline.support.errors import OntimeError


class NoPreviousChampion(OntimeError):
    """There is no champion, or no previous one."""


def main() -> None:
    """Makes the previous champion the champion again. Raises NoPreviousChampion."""
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("--because", metavar="REASON", help="the reason, for the history")
    because = parser.parse_args().because
    with console.step("look at the registry"):
        registry = Registry()
        champion, changes, versions = registry.version_with_alias(CHAMPION), registry.alias_changes(), registry.versions()
    number = champion_history.previous_champion(changes, champion.number, versions) if champion else None
    if champion is None or number is None:
        raise NoPreviousChampion(
            f"The champion before the present one should come back; {_explain_absence(champion, changes)}. "
            "`make history` shows all."
        )
    previous = versions[number]
    with console.step(f"fetch version {number}"):
        lineage.refuse_altered(registry, previous)
    why = f"instead of version {champion.number}" + (f": {because}" if because else "")
    commit = previous.tags.get("git_commit", "")
    registry.change_champion(
        AliasChange(datetime.now(UTC), number, "rolled back", why, commit, lineage.author(), champion.number)
    )
    console.say(f"Version {number} of {NAME} is the champion again, {why}.")
    console.say(f"Services that follow the registry {registry.address} load it automatically.")


def _explain_absence(champion: Version | None, changes: Sequence[AliasChange]) -> str:
    if champion:
        return f"version {champion.number} is the first"
    if changes:
        return f"the alias {CHAMPION} was removed outside make promote, and `make promote` sets it again"
    return "there is no champion"


if __name__ == "__main__":
    console.run(main)
