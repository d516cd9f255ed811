"""An MLflow registry behind HTTP, asked through the REST API of its server; MLflow itself is not needed.

The server also hands over the files of a version, whichever store they are in.
"""

import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from prediction_api.model.artifact import GRAPH, METADATA, OLD_METADATA, SCHEMA
from service_kit.addresses import without_credentials

Answer = TypeVar("Answer")
API = "/api/2.0/mlflow"
ALIAS = f"{API}/registered-models/alias"
ARTIFACT = "/model-versions/get-artifact"
NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"  # MLflow's code
SECONDS, RETRIES = 10.0, 1  # unless MLFLOW_HTTP_REQUEST_TIMEOUT and MLFLOW_HTTP_REQUEST_MAX_RETRIES say otherwise
PAUSE_SECONDS = 1.0
ONLY_MLFLOW = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")  # settings that MLflow alone follows


class RegistryError(Exception):
    """The registry did not answer, or with an error; ``error_code`` is MLflow's, empty where MLflow gave none."""

    def __init__(self, message: str, error_code: str = "") -> None:
        super().__init__(message)
        self.error_code = error_code


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model: the version of each alias, and its tags."""

    aliases: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model; ``run_id`` is empty where it came from no run."""

    version: str
    run_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RunData:
    """What a run holds."""

    tags: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """A run."""

    data: RunData


def server_address() -> str | None:
    """The server at MLFLOW_TRACKING_URI, or None where only MLflow itself can reach the registry."""
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    is_plain = (os.environ.get("MLFLOW_REGISTRY_URI") or server) == server and not any(map(os.environ.get, ONLY_MLFLOW))
    return server if is_plain and server.startswith(("http://", "https://")) else None


def connection(server: str, seconds: float) -> dict[str, Any]:
    """What an httpx client needs for a server: address, time limit, and the credentials that MLflow's settings name."""
    setting = os.environ.get
    user, password, token = (setting(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD", "TOKEN"))
    options: dict[str, Any] = {"base_url": server, "timeout": seconds, "follow_redirects": True, "verify": _certificates()}
    if user and password:
        options["auth"] = (user, password)
    elif token:
        options["headers"] = {"Authorization": f"Bearer {token}"}
    return options


def _certificates() -> ssl.SSLContext:
    """Whose certificates count, and the one that this service shows."""
    if authority := os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
        context = ssl.create_default_context(cafile=authority)
    else:
        unchecked = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
        context = httpx.create_ssl_context(verify=not unchecked)
    if certificate := os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"):
        context.load_cert_chain(certificate)
    return context


class RestClient:
    """The methods of ``mlflow.MlflowClient`` that fetching a model needs, under its names. They raise RegistryError."""

    def __init__(self, server: str) -> None:
        self._shown = without_credentials(server)
        self._seconds = _setting("MLFLOW_HTTP_REQUEST_TIMEOUT", SECONDS)
        self._client = self._open(server)
        self._attempts = Retrying(
            retry=retry_if_exception_type(httpx.TransportError),
            stop=stop_after_attempt(1 + int(_setting("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES))),
            wait=wait_fixed(PAUSE_SECONDS),
            reraise=True,
        )

    def get_registered_model(self, name: str) -> RegisteredModel:
        """A model with all its aliases."""
        return self._ask(f"{API}/registered-models/get", "registered_model", _model, name=name)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias names."""
        return self._ask(ALIAS, "model_version", _version, name=name, alias=alias)

    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """A version by its number."""
        return self._ask(f"{API}/model-versions/get", "model_version", _version, name=name, version=version)

    def get_run(self, run_id: str) -> Run:
        """A run with its tags and the last value of each metric."""
        return self._ask(f"{API}/runs/get", "run", _run, run_id=run_id)

    def download_version(self, name: str, version: str, folder: Path) -> None:
        """Writes the files of a version that is a model directory into ``folder``; a file that it lacks is left out."""
        self._download_metadata(name, version, folder)
        for file in (GRAPH, SCHEMA):
            self._download(name, version, folder / file)

    def _download_metadata(self, name: str, version: str, folder: Path) -> None:
        """Takes the old name where the server hands over nothing under the new one."""
        try:
            if self._download(name, version, folder / METADATA):
                return
        except RegistryError as error:  # over a store elsewhere, a server says no better of a file that is missing
            with suppress(RegistryError):
                if error.error_code and self._download(name, version, folder / OLD_METADATA):
                    return
            raise
        self._download(name, version, folder / OLD_METADATA)

    def _download(self, name: str, version: str, path: Path) -> bool:
        try:
            content = self._get(ARTIFACT, {"name": name, "version": version, "path": path.name}).content
        except RegistryError as error:
            if error.error_code == NOT_FOUND:
                return False
            raise
        path.write_bytes(content)
        return True

    def _ask(self, path: str, subject: str, read: Callable[[Mapping[str, Any]], Answer], **parameters: str) -> Answer:
        answer = self._get(path, parameters)
        try:
            return read(answer.json()[subject])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise RegistryError(self._complain(f"{path} was answered with no {subject} in JSON")) from error

    def _get(self, path: str, parameters: Mapping[str, str]) -> httpx.Response:
        try:
            answer = self._attempts(self._client.get, path, params=dict(parameters))
        except httpx.TimeoutException as error:
            reason = f"it did not answer within {self._seconds:g} s (MLFLOW_HTTP_REQUEST_TIMEOUT)"
            raise RegistryError(self._complain(reason)) from error
        except httpx.HTTPError as error:
            raise RegistryError(self._complain(str(error) or type(error).__name__)) from error
        if answer.is_success:
            return answer
        try:
            code, message = (str(answer.json()[name]) for name in ("error_code", "message"))
        except (ValueError, LookupError, TypeError):
            code, message = "", answer.reason_phrase
        if answer.status_code in (401, 403):
            message += "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        raise RegistryError(self._complain(f"{path} was answered with {answer.status_code} {message}"), code)

    def _open(self, server: str) -> httpx.Client:
        try:
            return httpx.Client(**connection(server, self._seconds))
        except httpx.InvalidURL:  # its text may hold a part of a password
            raise RegistryError(
                "MLFLOW_TRACKING_URI should be an address such as http://mlflow:5000, with %2F for a / in a password, "
                "%40 for an @ and %3A for a colon; correct it"
            ) from None
        except OSError as error:
            raise RegistryError(
                "MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_CLIENT_CERT_PATH should name files with certificates "
                f"(PEM); reading them failed: {error.strerror or error}"
            ) from error

    def _complain(self, reason: str) -> str:
        return f"the MLflow server at {self._shown} (MLFLOW_TRACKING_URI) should hand over the model; {reason}"


def _setting(name: str, default: float) -> float:
    value = os.environ.get(name) or default
    try:
        return float(value)
    except ValueError as error:
        raise RegistryError(f"{name} should be a number, or be left out; it is {value!r}") from error


def _model(model: Mapping[str, Any]) -> RegisteredModel:
    aliases = {alias["alias"]: str(alias["version"]) for alias in model.get("aliases", ())}
    return RegisteredModel(aliases, _pairs(model, "tags"))


def _run(run: Mapping[str, Any]) -> Run:
    data = run.get("data", {})
    metrics = {name: float(value) for name, value in _pairs(data, "metrics", 0).items()}
    return Run(RunData(_pairs(data, "tags"), metrics))


def _version(version: Mapping[str, Any]) -> ModelVersion:
    return ModelVersion(str(version["version"]), version.get("run_id", ""), _pairs(version, "tags"))


def _pairs(holder: Mapping[str, Any], name: str, default: Any = "") -> dict[str, Any]:
    """The keys and values that ``holder`` lists under ``name``; ``default`` is the value that JSON left out."""
    return {pair["key"]: pair.get("value", default) for pair in holder.get(name, ())}
