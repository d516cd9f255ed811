"""The MLflow registry: versions of the model with their lineage, their aliases, and the history of the alias `champion`."""

import json
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
from pipeline.support.errors import OntimeError, first_line, without_password
from pipeline.tracking import mlflow_runs

NAME, CHAMPION, CHALLENGER = "ontime", "champion", "challenger"
CHANGE_TAG = "champion."  # prefix of the tag of a change of the alias; its time follows, its content is the value
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"  # the name of a tag cannot hold a plus
CHANGE = TypeAdapter(AliasChange)
FILES = (artifact.GRAPH, artifact.SCHEMA, artifact.METADATA)  # of a version
OUR_FAULT = "INVALID_PARAMETER_VALUE"
NO_ANSWER = "INTERNAL_ERROR"  # MLflow's code also for a server that is away


class RegistryUnavailable(OntimeError):
    """The registry does not answer, or its answer is not that of a registry."""


class ChampionChanged(OntimeError):
    """Somebody else changed the alias `champion` meanwhile."""


class ArtifactsMissing(OntimeError):
    """The files of a version are not in the store that the registry names."""


class ArtifactStoreUnavailable(OntimeError):
    """The artifact store can neither be read nor written."""


@dataclass(frozen=True)
class Version:
    """One version: its number, and the tags that it was registered with."""

    number: int
    tags: Mapping[str, str]


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        if error.error_code == OUR_FAULT:
            raise
        raise RegistryUnavailable(
            f"The model registry should answer at {_address()} (MLFLOW_TRACKING_URI); {first_line(error)}. "
            f"{_advice(error, 'Start it, or correct the address.')}"
        ) from error


@contextmanager
def _translate_store_errors() -> Iterator[None]:
    try:
        yield
    except OntimeError:
        raise
    except Exception as error:  # each kind of store raises its own
        raise ArtifactStoreUnavailable(
            f"The files of a model should be written to and read from the store of {_address()}; {first_line(error)}. "
            f"The champion is unchanged. {_advice(error, 'Start the store, or install what it needs.')}"
        ) from error


def _address() -> str:
    return without_password(mlflow.get_tracking_uri())


def _advice(error: Exception, unavailable: str) -> str:
    """What to do: as ``unavailable`` says, unless the error is an answer, such as one about a deleted experiment."""
    answered = isinstance(error, MlflowException) and error.error_code != NO_ANSWER
    return "It answers: correct what the answer names." if answered else unavailable


class Registry:
    """The registered model ``ontime`` at MLFLOW_TRACKING_URI, or in mlflow.db. Its methods raise RegistryUnavailable."""

    @_translate_errors()
    def __init__(self) -> None:
        self.uri = without_password(mlflow_runs.connect())
        self._client = mlflow.MlflowClient()
        self._client.search_experiments(max_results=1)  # so that a registry that is away is known from the start

    @property
    def address(self) -> str:
        """Where the registry is, without a password."""
        return without_password(str(mlflow.get_registry_uri()))

    @_translate_errors()
    def versions(self) -> dict[int, Version]:
        """All versions by their number, the newest first."""
        versions = map(_version, self._client.search_model_versions(f"name='{NAME}'"))
        return {version.number: version for version in sorted(versions, key=lambda version: version.number, reverse=True)}

    @_translate_errors()
    def version_with_alias(self, alias: str) -> Version | None:
        """The version that an alias names, or None."""
        number = getattr(self._registered_model(), "aliases", {}).get(alias)
        return _version(self._client.get_model_version(NAME, str(number))) if number else None

    @_translate_errors()
    def find_run(self, digest: str) -> str | None:
        """The newest finished run whose model has this sha256 of metadata.json, or None. Raises ArtifactStoreUnavailable."""
        runs = mlflow_runs.find_runs(f"tags.`{mlflow_runs.MODEL_TAG}` = '{digest}'")
        return next(filter(self._has_files, (str(run.info.run_id) for run in runs)), None)

    @_translate_store_errors()
    def log_run(self, settings: Params, metadata: Mapping[str, Any]) -> str:
        """Logs the model and results in data/ as a run and gives its id. Raises ArtifactStoreUnavailable."""
        return mlflow_runs.log_results(settings, metadata)

    @_translate_errors()
    def register(self, run: str, tags: Mapping[str, str]) -> Version:
        """Registers the model directory among a run's artifacts as a new version."""
        if self._registered_model() is None:
            self._client.create_registered_model(NAME, description="Model directories of this repository.")
        source = f"{self._client.get_run(run).info.artifact_uri}/{mlflow_runs.MODEL_FOLDER}"
        return _version(self._client.create_model_version(NAME, source, run, tags=dict(tags)))

    def download(self, version: Version, folder: Path) -> Path:
        """The model directory of a version, fetched into ``folder``. Raises ArtifactsMissing."""
        try:
            uri = f"models:/{NAME}/{version.number}"
            downloaded = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
            missing = [name for name in artifact.file_names(downloaded) if not (downloaded / name).is_file()]
            problem = f"it lacks {', '.join(missing)}" if missing else ""  # MLflow raises nothing where the store is empty
            cure = "Restore them there."
        except Exception as error:  # each kind of store raises its own
            problem, cure = first_line(error), "Start the store or give access to it, or restore them there."
        if problem:
            raise ArtifactsMissing(
                f"Version {version.number} of {NAME} should have its files in the store of {self.uri}; {problem}. "
                f"The champion is unchanged. {cure}"
            )
        return downloaded

    @_translate_errors()
    def alias_changes(self) -> list[AliasChange]:
        """The recorded changes of the alias `champion`, in the order of time."""
        tags = getattr(self._registered_model(), "tags", {})
        changes = [CHANGE.validate_json(value) for name, value in tags.items() if name.startswith(CHANGE_TAG)]
        return sorted(changes, key=lambda change: change.time)

    @_translate_errors()
    def change_champion(self, change: AliasChange) -> None:
        """Sets the alias `champion` and records the change. Raises ChampionChanged if it does not name ``change.before``.

        The alias comes first: a crash in between leaves what looks like a change outside `make promote`, and can be undone.
        """
        champion = self.version_with_alias(CHAMPION)
        number = champion.number if champion else None
        if number != change.before:
            raise ChampionChanged(
                f"The champion was {version_text(change.before)} when this began, and is {version_text(number)} now. "
                "Nothing was changed; start again."
            )
        last = max((earlier.time for earlier in self.alias_changes()), default=change.time)
        # The clocks of two machines differ.
        record = replace(change, time=max(change.time, last + timedelta(microseconds=1)))
        self._client.set_registered_model_alias(NAME, CHAMPION, str(change.version))
        value = json.dumps(asdict(record), default=datetime.isoformat)
        self._client.set_registered_model_tag(NAME, f"{CHANGE_TAG}{record.time:{MOMENT}}", value)
        if str(self._registered_model().aliases.get(CHALLENGER)) == str(change.version):
            self._client.delete_registered_model_alias(NAME, CHALLENGER)

    @_translate_errors()
    def set_challenger(self, version: Version) -> None:
        """Gives the alias `challenger` to a version."""
        self._client.set_registered_model_alias(NAME, CHALLENGER, str(version.number))

    @_translate_store_errors()
    def _has_files(self, run: str) -> bool:
        files = self._client.list_artifacts(run, mlflow_runs.MODEL_FOLDER)
        return {Path(file.path).name for file in files} >= set(FILES)

    def _registered_model(self) -> Any:
        return next(iter(self._client.search_registered_models(f"name='{NAME}'")), None)


def _version(version: Any) -> Version:
    return Version(int(version.version), dict(version.tags))


def version_text(number: int | None) -> str:
    """A version as the object of a sentence."""
    return f"version {number}" if number else "no version"
