"""The MLflow registry: versions of the model with their lineage, the aliases, and a note of each move of the champion's."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from pydantic import TypeAdapter

from pipeline.config.settings import Params
from pipeline.modeling import artifact
from pipeline.registry.champion_history import AliasChange
from pipeline.support.errors import OntimeError, first_line
from pipeline.tracking import mlflow_runs

NAME, CHAMPION, CHALLENGER = "ontime", "champion", "challenger"
PASSWORD = re.compile(r"//[^/@\s]+@")
MOVED = "champion."  # begins the tag of a move; the rest is its time, the value its content
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"  # a tag's name takes no plus
MOVE = TypeAdapter(AliasChange)
FILES = (artifact.GRAPH, artifact.SCHEMA, artifact.METADATA)  # of a version
OUR_FAULT = "INVALID_PARAMETER_VALUE"


class RegistryUnavailable(OntimeError):
    """The registry does not answer, or not as a registry does."""


class ChampionChanged(OntimeError):
    """Somebody else moved the champion's alias meanwhile."""


class ArtifactsMissing(OntimeError):
    """The files of a version are not where the registry says."""


class ArtifactStoreUnavailable(OntimeError):
    """The store of the files takes or shows none, whatever the registry says."""


@dataclass(frozen=True)
class Version:
    """One version: its number, the MLflow run behind it, and what it was registered with."""

    number: int
    run: str
    tags: Mapping[str, str]


class Registry:
    """The registered model ``ontime`` at MLFLOW_TRACKING_URI, or in mlflow.db. Its methods raise RegistryUnavailable."""

    def __init__(self) -> None:
        self.uri = mlflow_runs.connect()
        self._client = mlflow.MlflowClient()
        with self._asked():
            self._experiment = self._client.get_experiment_by_name(mlflow_runs.EXPERIMENT)

    @property
    def address(self) -> str:
        """Where the registry is, without a password."""
        return PASSWORD.sub("//", str(mlflow.get_registry_uri()))

    def versions(self) -> list[Version]:
        """All versions, the newest first."""
        with self._asked():
            found = [self._version(one) for one in self._client.search_model_versions(f"name='{NAME}'")]
        return sorted(found, key=lambda one: one.number, reverse=True)

    def holder(self, alias: str) -> Version | None:
        """The version that an alias names, or None."""
        found = self._registered()
        number = found.aliases.get(alias) if found else None
        with self._asked():
            return self._version(self._client.get_model_version(NAME, str(number))) if number else None

    def run_of(self, digest: str) -> str | None:
        """The newest finished run whose model has this sha256 of metadata.json, or None. Raises ArtifactStoreUnavailable."""
        if self._experiment is None:
            return None
        asked = f"tags.`{mlflow_runs.MODEL_TAG}` = '{digest}' and attributes.status = 'FINISHED'"
        with self._asked():
            found = [str(run.info.run_id) for run in self._client.search_runs([self._experiment.experiment_id], asked)]
        return next(filter(self._has_files, found), None)

    def log(self, settings: Params, metadata: Mapping[str, Any]) -> str:
        """Logs what stands in data/ as a run and gives its id. Raises ArtifactStoreUnavailable."""
        with self._stored():
            return mlflow_runs.log_results(settings, metadata)

    def register(self, run: str, tags: Mapping[str, str]) -> Version:
        """A new version of the model directory among a run's artefacts."""
        with self._asked():
            if self._registered() is None:
                self._client.create_registered_model(NAME, description="Model directories of this repository.")
            source = f"{self._client.get_run(run).info.artifact_uri}/{mlflow_runs.MODEL_FOLDER}"
            return self._version(self._client.create_model_version(NAME, source, run, tags=dict(tags)))

    def download(self, version: Version, folder: Path) -> Path:
        """The model directory of a version, fetched into ``folder``. Raises ArtifactsMissing."""
        try:
            uri = f"models:/{NAME}/{version.number}"
            found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
        except Exception as error:  # each kind of store raises its own
            raise self._missing(version, first_line(error)) from error
        if lacking := [
            name for name in artifact.file_names(found) if not (found / name).is_file()
        ]:  # of an empty store MLflow raises nothing
            raise self._missing(version, f"it lacks {', '.join(lacking)}")
        return found

    def moves(self) -> list[AliasChange]:
        """Each move of the champion's alias that was made here, in the order of time."""
        model = self._registered()
        tags = model.tags if model else {}
        found = [MOVE.validate_json(value) for name, value in tags.items() if name.startswith(MOVED)]
        return sorted(found, key=lambda move: move.time)

    def move(self, move: AliasChange) -> None:
        """Gives the champion's alias to a version, and notes it; raises ChampionChanged if ``move.before`` lost it.

        In this order: a move without a note looks like one by other hands, from which there is a way back.
        """
        holder = self.holder(CHAMPION)
        held = holder.number if holder else None
        if held != move.before:
            raise ChampionChanged(
                f"The champion was {named(move.before)} when this began, and is {named(held)} now. "
                "Nothing was moved; start again."
            )
        last = max((one.time for one in self.moves()), default=move.time)
        noted = replace(move, time=max(move.time, last + timedelta(microseconds=1)))  # clocks of two machines differ
        with self._asked():
            self._client.set_registered_model_alias(NAME, CHAMPION, str(move.version))
            value = json.dumps(asdict(noted), default=datetime.isoformat)
            self._client.set_registered_model_tag(NAME, f"{MOVED}{noted.time:{MOMENT}}", value)
            if str(self._registered().aliases.get(CHALLENGER)) == str(move.version):
                self._client.delete_registered_model_alias(NAME, CHALLENGER)

    def challenge(self, version: Version) -> None:
        """Gives the challenger's alias to a version."""
        with self._asked():
            self._client.set_registered_model_alias(NAME, CHALLENGER, str(version.number))

    def _has_files(self, run: str) -> bool:
        with self._stored():
            found = self._client.list_artifacts(run, mlflow_runs.MODEL_FOLDER)
        return {Path(one.path).name for one in found} >= set(FILES)

    def _missing(self, version: Version, what: str) -> ArtifactsMissing:
        return ArtifactsMissing(
            f"Version {version.number} of {NAME} should have its files in the store of {self.uri}; {what}. "
            "Nothing was moved. Bring them back there."
        )

    def _registered(self) -> Any:
        with self._asked():
            found = self._client.search_registered_models(f"name='{NAME}'")
        return found[0] if found else None

    @staticmethod
    def _version(found: Any) -> Version:
        return Version(int(found.version), str(found.run_id), dict(found.tags))

    @contextmanager
    def _stored(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each kind of store raises its own
            raise ArtifactStoreUnavailable(
                f"The files of a model should go into the store of {self.uri}, and come from it; {first_line(error)}. "
                "Nothing was moved. Start the store, or install what it needs."
            ) from error

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            if error.error_code == OUR_FAULT:
                raise
            raise RegistryUnavailable(
                f"The registry of models should answer at {self.uri} (MLFLOW_TRACKING_URI); {first_line(error)}. "
                "Start it, or correct the address."
            ) from error


def named(number: int | None) -> str:
    """A version in a sentence."""
    return f"version {number}" if number else "no version"
