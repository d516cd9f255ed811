"""Makes data/model the champion if it beats the present one on the same test rows, or else the challenger.

python -m pipeline.registry.promote                     registers the model; moves the champion alias if it wins
python -m pipeline.registry.promote --because REASON    moves it without a contest, as for another question or other columns
"""

import argparse
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pipeline.config.params_file import load_dataset, load_mapping, load_params
from pipeline.config.paths import DATASET, MODEL, TEST_TABLE
from pipeline.config.settings import Dataset, Params
from pipeline.data import slices, table_io
from pipeline.diff import gate
from pipeline.modeling import artifact, predict
from pipeline.registry import lineage, paired_bootstrap
from pipeline.registry.champion_history import AliasChange, Kind
from pipeline.registry.mlflow_registry import CHAMPION, NAME, ArtifactsMissing, Registry, Version
from pipeline.registry.paired_bootstrap import Difference
from pipeline.support import console, console_table
from pipeline.support.errors import OntimeError, SchemaMismatch
from pipeline.tracking import mlflow_runs

WITHOUT = "Or type make promote BECAUSE='the reason' to make it champion without a contest."


class CandidateRejected(OntimeError):
    """The model does not beat the champion, or cannot be held against it."""


def main() -> None:
    """Registers, decides, moves the alias; raises CandidateRejected where it stays."""
    because = _parser().parse_args().because
    how, settings = gate.read(load_mapping(Path(gate.FILE))).promote, load_params()
    with console.step("look at data/model and its commit"):
        data, metadata = load_dataset(DATASET), artifact.read_metadata(MODEL)
        tags = lineage.tags(metadata, data)
    with console.step("look at the registry"):
        registry = Registry()
        champion, candidate = registry.holder(CHAMPION), _registered(registry, tags, metadata, settings)
    if champion and champion.number == candidate.number:
        console.say(f"Version {candidate.number} of {NAME} is the champion already, with this very model: nothing moves.")
    elif because or champion is None:
        kind, why = _unopposed(registry, because)
        _crown(registry, champion, candidate, kind, why)
    else:
        found = _contest(registry, champion, candidate, data, settings, how)
        _show(found, champion, candidate)
        if fallen := paired_bootstrap.fallen(found, champion.tags):
            _refuse(registry, champion, candidate, f"the test rows are not what the champion learned: {fallen}")
        if not paired_bootstrap.wins(found):
            _refuse(registry, champion, candidate, paired_bootstrap.why(found))
        why = f"against version {champion.number}: {paired_bootstrap.why(found)}"
        _crown(registry, champion, candidate, "promoted", why)


def _registered(registry: Registry, tags: Mapping[str, str], metadata: Mapping[str, Any], settings: Params) -> Version:
    """The version that has these very files: registered before, or now, with the run that made them or a new one."""
    digests = lineage.digests()
    for version in registry.versions():
        if digests.items() <= version.tags.items() and lineage.is_whole(registry, version):
            return version
    run = registry.run_of(digests[mlflow_runs.MODEL_TAG]) or registry.log(settings, metadata)
    version = registry.register(run, tags)
    console.say(f"Registered version {version.number} of {NAME}, from commit {tags['git_commit'][:9]}.")
    return version


def _unopposed(registry: Registry, because: str | None) -> tuple[Kind, str]:
    """How a version becomes champion without a contest, and why."""
    if because:
        return "forced", because
    if registry.moves():  # other hands took the alias away
        return "restored", "there was no champion any more"
    return "initial", "there was no champion"


def _contest(
    registry: Registry, champion: Version, candidate: Version, data: Dataset, settings: Params, how: gate.Promote
) -> list[Difference]:
    if champion.tags.get(lineage.QUESTION) != candidate.tags[lineage.QUESTION]:
        _refuse(registry, champion, candidate, "it answers another question, or was split otherwise")
    test = table_io.read(TEST_TABLE)
    with console.step(f"score both on {len(test):,} test rows"), tempfile.TemporaryDirectory(prefix="champion-") as folder:
        try:
            before = predict.probability(registry.download(champion, Path(folder)), test, str(TEST_TABLE))
        except SchemaMismatch as error:
            _refuse(registry, champion, candidate, f"the champion cannot be scored. {error}")
        except ArtifactsMissing as error:
            raise ArtifactsMissing(f"{error} {WITHOUT}") from error
        now = predict.probability(MODEL, test, str(TEST_TABLE))
    truth = test[data.target.name].to_numpy(np.float64)
    groups = slices.resampling_groups(test, settings.data.resample_by)
    with console.step(f"hold them against each other {how.resamples} times", how.resamples) as advance:
        return paired_bootstrap.differences(truth, before, now, groups, how, advance)


def _show(found: list[Difference], champion: Version, candidate: Version) -> None:
    names = [
        "metric",
        f"champion, {champion.number}",
        f"candidate, {candidate.number}",
        "better by",
        "interval",
        "tolerated",
    ]
    console_table.show(
        names,
        (
            [one.metric, f"{one.champion:.6f}", f"{one.candidate:.6f}", f"{one.gain:+.6f}",
             f"{one.low:+.6f} to {one.high:+.6f}", f"-{one.tolerance:g}"]
            for one in found
        ),
    )  # fmt: skip


def _refuse(registry: Registry, champion: Version, candidate: Version, why: str) -> NoReturn:
    registry.challenge(candidate)
    raise CandidateRejected(
        f"Version {candidate.number} should beat version {champion.number}, the champion; {why}. "
        f"It is the challenger now, and the champion stays. {WITHOUT}"
    )


def _crown(registry: Registry, before: Version | None, version: Version, kind: Kind, why: str) -> None:
    with console.step(f"fetch version {version.number}"):  # as a service does: what cannot be fetched is no champion
        lineage.refuse_altered(registry, version)
    held, commit = before.number if before else None, version.tags["git_commit"]
    registry.move(AliasChange(datetime.now(UTC), version.number, kind, why, commit, lineage.author(), held))
    console.say(f"Version {version.number} of {NAME} is the champion: {why}.")
    console.say(f"Services that follow the registry {registry.address} take it by themselves.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.registry.promote",
        description="Register data/model, and make it the champion if it beats the present one on the same test rows.",
    )
    parser.add_argument("--because", metavar="REASON", help="make it the champion without a contest, for this reason")
    return parser


if __name__ == "__main__":
    console.run(main)
