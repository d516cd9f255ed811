"""Registers data/model, and promotes it to champion if it beats the present one on the same test rows, else to challenger.

python -m pipeline.registry.promote                     compares, and promotes the model if it is better
python -m pipeline.registry.promote --because REASON    promotes it without a comparison, as for other columns
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.params_file import load_dataset, load_mapping, load_params
from pipeline.config.paths import DATASET, MODEL, TEST_TABLE
from pipeline.config.settings import Dataset, Params
from pipeline.data import partitions
from pipeline.diff import gate_settings
from pipeline.evaluation.row_labels import RowLabels, Slicing
from pipeline.modeling import artifact, predict
from pipeline.registry import lineage, paired_bootstrap
from pipeline.registry.champion_history import AliasChange, Kind
from pipeline.registry.mlflow_registry import CHAMPION, NAME, ArtifactsMissing, Registry, Version
from pipeline.registry.paired_bootstrap import Difference
from pipeline.support import console, console_table
from pipeline.support.errors import OntimeError, SchemaMismatch
from pipeline.tracking import mlflow_runs

WITHOUT = "Or type make promote BECAUSE='the reason' to promote it without a comparison."


class CandidateRejected(OntimeError):
    """The model does not beat the champion, or cannot be compared with it."""


def main() -> None:
    """Registers the model and promotes it if it is better; raises CandidateRejected where the champion stays."""
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("--because", metavar="REASON", help="promote it without a comparison, for this reason")
    because = parser.parse_args().because
    tolerances, settings = gate_settings.read(load_mapping(Path(gate_settings.FILE))).promote, load_params()
    with console.step("look at data/model and its commit"):
        data, metadata = load_dataset(DATASET), artifact.read_metadata(MODEL)
        tags = lineage.collect_tags(metadata, data)
        check_with_service()
    with console.step("look at the registry"):
        registry = Registry()
        champion, candidate = registry.version_with_alias(CHAMPION), _register(registry, tags, metadata, settings)
    if champion and champion.number == candidate.number:
        console.say(f"Version {candidate.number} of {NAME} is the champion already, with the same files: nothing changes.")
    elif because or champion is None:
        kind, why = _kind_without_comparison(registry, because)
        _promote(registry, champion, candidate, kind, why)
    else:
        differences = _compare(registry, champion, candidate, data, settings, tolerances)
        _show(differences, champion, candidate)
        if degradation := paired_bootstrap.explain_degradation(differences, champion.tags):
            _reject(registry, champion, candidate, f"the test rows are not what the champion learned: {degradation}")
        decision = paired_bootstrap.explain_decision(differences)
        if not paired_bootstrap.beats_champion(differences):
            _reject(registry, champion, candidate, decision)
        _promote(registry, champion, candidate, "promoted", f"against version {champion.number}: {decision}")


def check_with_service() -> None:
    """Raises CandidateRejected where the prediction service, in a process of its own, does not open data/model."""
    command = [sys.executable, "-m", "prediction_api", "check", "--model", str(MODEL)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2].removeprefix("error: ")
        raise CandidateRejected(f"The prediction service cannot open {MODEL}, so it is not registered: {reason}")


def _register(registry: Registry, tags: Mapping[str, str], metadata: Mapping[str, Any], settings: Params) -> Version:
    """The version with the files of data/model, registered now where there is none."""
    digests = lineage.file_digests()
    for version in registry.versions().values():
        if digests.items() <= version.tags.items() and lineage.has_registered_files(registry, version):
            return version
    run = registry.find_run(digests[mlflow_runs.MODEL_TAG]) or registry.log_run(settings, metadata)
    version = registry.register(run, tags)
    console.say(f"Registered version {version.number} of {NAME}, from commit {tags['git_commit'][:9]}.")
    return version


def _kind_without_comparison(registry: Registry, because: str | None) -> tuple[Kind, str]:
    """The kind and the reason of a promotion that compares nothing."""
    if because:
        return "forced", because
    if registry.alias_changes():  # the alias was removed outside `make promote`
        return "restored", "there was no champion any more"
    return "initial", "there was no champion"


def _compare(
    registry: Registry,
    champion: Version,
    candidate: Version,
    data: Dataset,
    settings: Params,
    tolerances: gate_settings.Promote,
) -> list[Difference]:
    if champion.tags.get(lineage.QUESTION) != candidate.tags[lineage.QUESTION]:
        _reject(registry, champion, candidate, "it answers another question, or its rows were split in another way")
    by = Slicing((), settings.data.resample_by)
    labels = RowLabels.from_tables(_test_tables([data.target.name, *by.columns(data.columns)]), data.target.name, by)
    step = console.step(f"score both on {len(labels.truth):,} test rows", 2 * len(labels.partitions))
    with step as advance, tempfile.TemporaryDirectory(prefix="champion-") as folder:
        try:
            old = _score(registry.download(champion, Path(folder)), advance)
        except SchemaMismatch as error:
            _reject(registry, champion, candidate, f"the champion cannot be scored. {error}")
        except ArtifactsMissing as error:
            raise ArtifactsMissing(f"{error} {WITHOUT}") from error
        new = _score(MODEL, advance)
    with console.step(f"compare them on {tolerances.resamples} resamples", 2 * tolerances.resamples) as advance:
        return paired_bootstrap.differences(labels.truth, old, new, labels.groups, tolerances, advance)


def _score(model: Path, advance: Callable[[], None]) -> npt.NDArray[np.float32]:
    """The probability of each test row."""
    parts = []
    for table in _test_tables():
        parts.append(predict.probability(model, table, str(TEST_TABLE)).astype(np.float32))
        advance()
    return np.concatenate(parts)


def _test_tables(columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """The partitions of the test table one after another, with these columns alone or with all."""
    return (table for _, table in partitions.iterate(TEST_TABLE, columns))


def _show(differences: list[Difference], champion: Version, candidate: Version) -> None:
    sides = [f"champion, {champion.number}", f"candidate, {candidate.number}"]
    rows = (
        [score.metric, f"{score.champion:.6f}", f"{score.candidate:.6f}", f"{score.gain:+.6f}",
         f"{score.low:+.6f} to {score.high:+.6f}", f"-{score.tolerance:g}"]
        for score in differences
    )  # fmt: skip
    console_table.show(["metric", *sides, "better by", "interval", "tolerated"], rows)


def _reject(registry: Registry, champion: Version, candidate: Version, why: str) -> NoReturn:
    registry.set_challenger(candidate)
    raise CandidateRejected(
        f"Version {candidate.number} should beat version {champion.number}, the champion; {why}. "
        f"It is the challenger now, and the champion stays. {WITHOUT}"
    )


def _promote(registry: Registry, champion: Version | None, version: Version, kind: Kind, why: str) -> None:
    with console.step(f"fetch version {version.number}"):  # a version that the services cannot download is not promoted
        lineage.refuse_altered(registry, version)
    before, commit = champion.number if champion else None, version.tags["git_commit"]
    registry.change_champion(AliasChange(datetime.now(UTC), version.number, kind, why, commit, lineage.author(), before))
    console.say(f"Version {version.number} of {NAME} is the champion: {why}.")
    console.say(f"Services that follow the registry {registry.address} load it automatically.")


if __name__ == "__main__":
    console.run(main)
