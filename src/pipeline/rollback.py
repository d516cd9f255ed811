"""Puts the previous champion back: python -m pipeline.rollback. Once more goes back once more."""

import argparse
from datetime import UTC, datetime

from pipeline import lineage, moves, stage
from pipeline.errors import OntimeError
from pipeline.moves import Move
from pipeline.registry import CHAMPION, NAME, Registry


class NothingBefore(OntimeError):
    """There is no champion, or none before it."""


def main() -> None:
    """Moves the alias back; raises NothingBefore."""
    because = _parser().parse_args().because
    with stage.step("look at the registry"):
        registry = Registry()
        champion, made = registry.holder(CHAMPION), registry.moves()
        before = moves.predecessor(made, champion.number) if champion else None
    if champion is None or before is None:
        found = f"version {champion.number} is the first" if champion else "there is none at all"
        raise NothingBefore(f"A champion before the present one should come back; {found}. `make history` shows all.")
    commit = next((one.tags.get("git_commit", "") for one in registry.versions() if one.number == before), "")
    why = f"instead of version {champion.number}" + (f": {because}" if because else "")
    registry.move(Move(datetime.now(UTC), before, "rolled back", why, commit, lineage.author()))
    stage.say(f"Version {before} of {NAME} is the champion again, {why}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.rollback", description="Put the previous champion back.")
    parser.add_argument("--because", metavar="REASON", help="why, for the history")
    return parser


if __name__ == "__main__":
    stage.run(main)
