"""Says what was champion when, why, and by which commit.

python -m pipeline.registry.history                          every champion so far
python -m pipeline.registry.history --at "2026-11-23 14:05"  which model answered then, from which data and commit
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.clients import services
from pipeline.clients.environment import SecretMissing
from pipeline.clients.services import ServiceRejected, ServiceUnavailable
from pipeline.registry import champion_history, lineage
from pipeline.registry.champion_history import AliasChange, ChampionPeriod
from pipeline.registry.mlflow_registry import CHAMPION, NAME, Registry, Version, named
from pipeline.support import console, console_table
from pipeline.support.errors import OntimeError

SHORT = 12  # characters of a digest; as many as the services show of a model's
Versions = Mapping[int, Version]


class FutureTimestamp(OntimeError):
    """The moment has not come yet."""


def main() -> None:
    """Prints the history, or what answered at a moment."""
    moment = _parser().parse_args().at
    _refuse_future(moment)
    with console.step("look at the registry"):
        registry = Registry()
        made, versions = registry.moves(), {one.number: one for one in registry.versions()}
        champion = registry.holder(CHAMPION)
    if moment is None:
        _show(champion_history.champion_periods(made), versions)
    else:
        _tell(moment, champion_history.champion_at(made, moment), versions)
        _show_deployments(moment, versions)
    _warn_of_other_hands(champion, made)


def _refuse_future(moment: datetime | None) -> None:
    now = datetime.now(UTC)
    if moment is not None and moment > now:
        raise FutureTimestamp(
            f"What answered is known of a moment that has passed; {_clock(moment)} UTC is still to come, for it is "
            f"{_clock(now)}. Give an earlier one."
        )


def _show(found: Sequence[ChampionPeriod], versions: Versions) -> None:
    if not found:
        console.answer(f"No version of {NAME} has been champion. `make promote` makes data/model the first.")
        return
    columns = ["from (UTC)", "until", "version", "model", "commit", "roc_auc", "brier", "how", "why", "by"]
    console_table.show(columns, (_row(one, versions) for one in found), left=columns)


def _row(reign: ChampionPeriod, versions: Versions) -> list[str]:
    move = reign.move
    tags = versions[move.version].tags if move.version in versions else {}
    scores = [tags.get(f"metric.{name}", "unknown") for name in ("roc_auc", "brier")]
    model = (lineage.model_digest(tags) or "removed")[:SHORT]
    until = _clock(reign.until) if reign.until else "now"
    return [_clock(move.time), until, str(move.version), model, move.git_commit[:9], *scores, move.kind, move.why, move.by]


def _warn_of_other_hands(champion: Version | None, made: Sequence[AliasChange]) -> None:
    held, noted = champion.number if champion else None, made[-1].version if made else None
    if held != noted:
        last = f", not {noted}" if noted else ""
        console.warn(f"the alias {CHAMPION} names {named(held)}{last}: it was moved by other hands than make promote.")


def _tell(moment: datetime, reign: ChampionPeriod | None, versions: Versions) -> None:
    if reign is None:
        console.answer(f"At {_clock(moment)} UTC no version of {NAME} was champion.")
        return
    move = reign.move
    tags = versions[move.version].tags if move.version in versions else {}
    data = {name.removeprefix("data."): digest for name, digest in tags.items() if name.startswith("data.")}
    console.answer(
        f"At {_clock(moment)} UTC version {move.version} of {NAME} was champion, since {_clock(move.time)} "
        f"({move.kind}: {move.why}): model {(lineage.model_digest(tags) or 'removed')[:SHORT]}, "
        f"commit {move.git_commit}, data {_digests(data)}."
    )


def _show_deployments(moment: datetime, versions: Versions) -> None:
    try:
        _, store = services.from_environment(os.environ)
        store.log_in()
        found = store.deployments(moment)
    except (SecretMissing, ServiceUnavailable, ServiceRejected) as error:
        console.warn(f"what answered then is not known: {error}")
        return
    if not found:
        console.answer(f"The data service at {store.url} knows of no model that answered then.")
        return
    columns = ["replica", "model", "version", "commit", "data", "from (UTC)", "until"]
    console_table.show(columns, (_deployed(one, versions) for one in found), left=columns)


def _deployed(one: Mapping[str, Any], versions: Versions) -> list[str]:
    digests = {f"{lineage.DIGEST}{name}": digest for name, digest in one["sha256"].items()}
    version = next((number for number, known in versions.items() if digests and digests.items() <= known.tags.items()), None)
    ended = one["ended_at"]
    until = _clock(datetime.fromisoformat(ended)) if ended else f"seen {_clock(_moment(one['last_seen_at']))}"
    return [
        one["replica"], one["model_version"], str(version or "not registered"), one["git_commit"] or "unknown",
        _digests(one["data"]), _clock(_moment(one["started_at"])), until,
    ]  # fmt: skip


def _digests(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {digest[:SHORT]}" for name, digest in sorted(found.items())) or "unknown"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.astimezone()  # without a zone it is of this machine's


def _at(text: str) -> datetime:
    try:
        return _moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"it should be a moment such as 2026-11-23 14:05 or 2026-11-23T14:05Z, not {text!r}"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.registry.history",
        description="Say what was champion when, why, and by which commit; or which model answered at a moment.",
        epilog=services.help_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--at", type=_at, metavar="MOMENT", help="of this machine's zone where it names none")
    return parser


if __name__ == "__main__":
    console.run(main)
