"""Puts the previous champion back: python -m pipeline.registry.rollback. Once more goes back once more."""

import argparse
from datetime import UTC, datetime

from pipeline.registry import champion_history, lineage
from pipeline.registry.champion_history import AliasChange
from pipeline.registry.mlflow_registry import CHAMPION, NAME, Registry
from pipeline.support import console
from pipeline.support.errors import OntimeError


class NoPreviousChampion(OntimeError):
    """There is no champion, or none before it."""


def main() -> None:
    """Moves the alias back; raises NoPreviousChampion."""
    because = _parser().parse_args().because
    with console.step("look at the registry"):
        registry = Registry()
        champion, versions = registry.holder(CHAMPION), {one.number: one for one in registry.versions()}
        made = registry.moves()
        before = versions.get(champion_history.previous_champion(made, champion.number, versions) or 0) if champion else None
    if champion is None or before is None:
        none = (
            f"other hands took the alias {CHAMPION} away: `make promote` gives it anew" if made else "there is none at all"
        )
        found = f"version {champion.number} is the first" if champion else none
        raise NoPreviousChampion(f"A champion before the present one should come back; {found}. `make history` shows all.")
    with console.step(f"fetch version {before.number}"):
        lineage.refuse_altered(registry, before)
    why = f"instead of version {champion.number}" + (f": {because}" if because else "")
    commit = before.tags.get("git_commit", "")
    registry.move(
        AliasChange(datetime.now(UTC), before.number, "rolled back", why, commit, lineage.author(), champion.number)
    )
    console.say(f"Version {before.number} of {NAME} is the champion again, {why}.")
    console.say(f"Services that follow the registry {registry.address} take it by themselves.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.registry.rollback", description="Put the previous champion back."
    )
    parser.add_argument("--because", metavar="REASON", help="why, for the history")
    return parser


if __name__ == "__main__":
    console.run(main)
