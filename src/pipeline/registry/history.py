"""Shows which version was champion when, why, and from which commit.

python -m pipeline.registry.history                          every champion so far
python -m pipeline.registry.history --at "2026-11-23 14:05"  which model answered then (UTC), from which data and commit
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
from pipeline.registry.mlflow_registry import CHAMPION, NAME, Registry, Version, version_text
from pipeline.support import console, console_table
from pipeline.support.errors import OntimeError

SHORT = 12  # characters of a digest; as many as the services show of a model's
Versions = Mapping[int, Version]


class FutureTimestamp(OntimeError):
    """The moment is in the future."""


def main() -> None:
    """Prints the history of champions, or the model that answered at a moment."""
    parser = console.parser(__spec__, __doc__, services.help_text())
    parser.add_argument("--at", type=_at, metavar="MOMENT", help="in UTC, unless it names an offset")
    moment = parser.parse_args().at
    _refuse_future(moment)
    with console.step("look at the registry"):
        registry = Registry()
        changes, versions = registry.alias_changes(), registry.versions()
        champion = registry.version_with_alias(CHAMPION)
    if moment is None:
        _show_periods(champion_history.champion_periods(changes), versions)
    else:
        _show_champion(moment, champion_history.champion_at(changes, moment), versions)
        _show_deployments(moment, versions)
    _warn_of_unrecorded_change(champion, changes)


def _refuse_future(moment: datetime | None) -> None:
    now = datetime.now(UTC)
    if moment is not None and moment > now:
        raise FutureTimestamp(
            f"The moment should be in the past; {_clock(moment)} UTC is still to come, for it is {_clock(now)}. "
            "Give an earlier one."
        )


def _show_periods(periods: Sequence[ChampionPeriod], versions: Versions) -> None:
    if not periods:
        console.answer(f"No version of {NAME} has been champion. `make promote` makes data/model the first.")
        return
    columns = ["from (UTC)", "until", "version", "model", "commit", "roc_auc", "brier", "how", "why", "by"]
    console_table.show(columns, (_period_cells(period, versions) for period in periods), left=columns)


def _period_cells(period: ChampionPeriod, versions: Versions) -> list[str]:
    change = period.change
    tags = versions[change.version].tags if change.version in versions else {}
    scores = [tags.get(f"metric.{name}", "unknown") for name in ("roc_auc", "brier")]
    model = (lineage.model_digest(tags) or "removed")[:SHORT]
    until = _clock(period.until) if period.until else "now"
    return [
        _clock(change.time), until, str(change.version), model, change.git_commit[:9], *scores,
        change.kind, change.why, change.by,
    ]  # fmt: skip


def _warn_of_unrecorded_change(champion: Version | None, changes: Sequence[AliasChange]) -> None:
    present, recorded = champion.number if champion else None, changes[-1].version if changes else None
    if present != recorded:
        last = f", not {recorded}" if recorded else ""
        console.warn(f"the alias {CHAMPION} names {version_text(present)}{last}: it was changed outside make promote.")


def _show_champion(moment: datetime, period: ChampionPeriod | None, versions: Versions) -> None:
    if period is None:
        console.answer(f"At {_clock(moment)} UTC no version of {NAME} was champion.")
        return
    change = period.change
    tags = versions[change.version].tags if change.version in versions else {}
    data = {name.removeprefix("data."): digest for name, digest in tags.items() if name.startswith("data.")}
    console.answer(
        f"At {_clock(moment)} UTC version {change.version} of {NAME} was champion, since {_clock(change.time)} "
        f"({change.kind}: {change.why}): model {(lineage.model_digest(tags) or 'removed')[:SHORT]}, "
        f"commit {change.git_commit}, data {_digests(data)}."
    )


def _show_deployments(moment: datetime, versions: Versions) -> None:
    try:
        _, store = services.from_environment(os.environ)
        store.log_in()
        deployments = store.deployments(moment)
    except (SecretMissing, ServiceUnavailable, ServiceRejected) as error:
        console.warn(f"the models that answered then are not known: {error}")
        return
    if not deployments:
        console.answer(f"The data service at {store.url} recorded no model that answered then.")
        return
    columns = ["replica", "model", "version", "commit", "data", "from (UTC)", "until"]
    console_table.show(columns, (_deployment_cells(deployment, versions) for deployment in deployments), left=columns)


def _deployment_cells(deployment: Mapping[str, Any], versions: Versions) -> list[str]:
    digests = {f"{lineage.DIGEST}{name}": digest for name, digest in deployment["sha256"].items()}
    matching = (number for number, version in versions.items() if digests and digests.items() <= version.tags.items())
    ended, last_seen = deployment["ended_at"], deployment["last_seen_at"]
    until = _clock(datetime.fromisoformat(ended)) if ended else f"seen {_clock(_moment(last_seen))}"
    return [
        deployment["replica"], deployment["model_version"], str(next(matching, "not registered")),
        deployment["git_commit"] or "unknown", _digests(deployment["data"]), _clock(_moment(deployment["started_at"])),
        until,
    ]  # fmt: skip


def _digests(digests: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {digest[:SHORT]}" for name, digest in sorted(digests.items())) or "unknown"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # as the history prints its times


def _at(text: str) -> datetime:
    try:
        return _moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"it should be a moment such as 2026-11-23 14:05 or 2026-11-23T14:05Z, not {text!r}"
        ) from error


if __name__ == "__main__":
    console.run(main)
