"""HTTP clients of the two services; they retry after a 503 and explain a refusal in a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from pipeline.clients.environment import setting
from pipeline.support.errors import OntimeError

TIMEOUT = (5, 60)  # seconds to connect, and to wait for an answer
MOST_RETRIES = 30  # after a 503, mostly for the second that its Retry-After asks for
PAGE_SIZE = 1000  # records of one page, the most that the data service gives
LONGEST_WAIT = 10  # seconds between retries, whatever a Retry-After asks for
SETTINGS = {  # name: its default, which is that of development, and what it is
    "PREDICTION_API_URL": ("http://127.0.0.1:8000", "the prediction service"),
    "PREDICTION_API_KEY": ("", "a key of API_KEYS, if the prediction service has any"),
    "DATA_API_URL": ("http://127.0.0.1:8001", "the data service"),
    "DATA_API_KEY": ("ontime_development_key_of_the_prediction_service", "a service key of the data service"),
    "FIRST_ADMIN": ("admin", "a user of the data service who may read"),
    "FIRST_ADMIN_PASSWORD": ("development", "the password of that user"),
}
START_AND_RETRY = "Type `{}` in another terminal, then try again."


class ServiceUnavailable(OntimeError):
    """No service answers at the address."""


class ServiceRejected(OntimeError):
    """A service refused a request, or its answer is not JSON."""


@dataclass(frozen=True)
class Address:
    """The URL of a service, the settings that hold the URL and the credentials, and the command that starts the service."""

    url: str
    setting: str
    credentials: str
    start: str = "make serve"


class Service:
    """A session with one service; a request whose answer is lost is sent again ``read_retries`` times."""

    def __init__(self, address: Address, read_retries: int) -> None:
        self.address, self.url = address, address.url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # ignores proxies and .netrc: the services run on this machine
        self._session.mount(self.url, HTTPAdapter(max_retries=_retry(read_retries)))

    def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> dict[str, Any]:
        """The JSON object at a path. Raises ServiceUnavailable or ServiceRejected."""
        return self._ask("GET", path, headers=headers, params=query)

    def post(self, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> dict[str, Any]:
        """The answer to ``json=`` or ``data=`` (a form). Raises ServiceUnavailable or ServiceRejected."""
        return self._ask("POST", path, headers=headers, **body)

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            answer = self._session.request(method, self.url + path, timeout=TIMEOUT, **content)
        except requests.RequestException as error:
            raise ServiceUnavailable(self._explain_failure(error, f"{method} {path}")) from error
        if not answer.ok:
            raise ServiceRejected(
                f"{method} {self.url}{path} answered {answer.status_code}: {self._explain_refusal(answer)}"
            )
        try:
            body: dict[str, Any] = answer.json()
        except ValueError as error:
            raise ServiceRejected(
                f"{method} {self.url}{path} should answer JSON; it answered {answer.text[:60]!r}. "
                f"{self.address.setting} seems to be the address of something else."
            ) from error
        return body

    def _explain_failure(self, error: requests.RequestException, request: str) -> str:
        advice = START_AND_RETRY.format(self.address.start)
        reason = getattr(error.args[0], "reason", error) if error.args else error
        if isinstance(reason, NewConnectionError | ConnectTimeoutError):
            return f"nobody answers at {self.url} ({self.address.setting}). {advice}"
        return f"{self.url} ({self.address.setting}) gave no complete answer to {request}: {reason}. {advice}"

    def _explain_refusal(self, answer: requests.Response) -> str:
        """The detail and the first error of problem details (RFC 9457), and what to do."""
        try:
            problem = answer.json()
            error = next(iter(problem.get("errors") or ()), None)
            reason = str(problem["detail"]) + (
                f" {error['field']}: wanted {error['wanted']}; got {error['got']}." if error else ""
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = answer.text[:200]
        return f"{reason} Set {self.address.credentials}." if answer.status_code in {401, 403} else reason


class PredictionService:
    """The prediction service; no request is repeated after a lost answer, since its predictions may have been recorded."""

    def __init__(self, address: Address, key: str) -> None:
        self._service, self._headers = Service(address, read_retries=0), {"X-API-Key": key} if key else {}
        self.url = self._service.url

    def model(self) -> dict[str, Any]:
        """The content of GET /model: the model that answers."""
        return self._service.get("/model", self._headers)

    def delivery(self) -> str:
        """The state of its delivery to the data service: ok, off, or the last error."""
        return str(self._service.get("/readyz")["checks"]["outbox"]["delivery"])

    def predict(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The prediction of each record, in their order; a single record goes to POST /predict."""
        if len(records) == 1:
            return [self._service.post("/predict", self._headers, json=records[0])]
        answer = self._service.post("/predict/batch", self._headers, json={"records": records})
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions


class DataService:
    """The data service, as a client with a key that records outcomes and as a user who reads."""

    def __init__(self, address: Address, key: str, user: str, password: str) -> None:
        self._service, self._headers = Service(address, read_retries=3), {"X-API-Key": key}
        self._login, self.url = {"username": user, "password": password}, self._service.url
        self._token: dict[str, str] = {}

    def log_in(self) -> None:
        """Fetches the token that the reading methods send."""
        token = self._service.post("/token", data=self._login)["access_token"]
        self._token = {"Authorization": f"Bearer {token}"}

    def record(self, outcomes: Mapping[str, bool]) -> None:
        """Records outcomes by the id of their predictions; repeating one changes nothing."""
        body = [{"prediction_id": name, "outcome": outcome} for name, outcome in outcomes.items()]
        self._service.post("/outcomes", self._headers, json={"outcomes": body})

    def prediction_ids(self, since: datetime) -> list[str]:
        """The ids of the newest predictions since a moment, a thousand at most."""
        page = self._service.get("/predictions", self._token, since=since.isoformat(), limit=PAGE_SIZE, order="newest")
        return [prediction["prediction_id"] for prediction in page["predictions"]]

    def deployments(self, at: datetime) -> list[dict[str, Any]]:
        """The models that answered at a moment, each with its replica, its commit and its data."""
        page = self._service.get("/deployments", self._token, at=at.isoformat(), limit=PAGE_SIZE)
        deployments: list[dict[str, Any]] = page["deployments"]
        return deployments

    def performance(self, since: datetime, until: datetime, bins: int) -> dict[str, Any]:
        """The scores of all predictions made from ``since`` to before ``until``, and of each model version's."""
        query = {"since": since.isoformat(), "until": until.isoformat(), "bins": bins, "by": "model_version"}
        return self._service.get("/performance", self._token, **query)


def from_environment(environment: Mapping[str, str]) -> tuple[PredictionService, DataService]:
    """Clients of both services, at the addresses and with the credentials that SETTINGS give. Raises SecretMissing."""
    value = {name: setting(name, default, environment) for name, (default, _) in SETTINGS.items()}
    prediction = Address(value["PREDICTION_API_URL"], "PREDICTION_API_URL", "PREDICTION_API_KEY")
    store = Address(value["DATA_API_URL"], "DATA_API_URL", "DATA_API_KEY, FIRST_ADMIN and FIRST_ADMIN_PASSWORD")
    return (
        PredictionService(prediction, value["PREDICTION_API_KEY"]),
        DataService(store, value["DATA_API_KEY"], value["FIRST_ADMIN"], value["FIRST_ADMIN_PASSWORD"]),
    )


def help_text() -> str:
    """SETTINGS as text for the help of a command."""
    lines = (f"  {name:<22}{what} (default: {default or 'none'})\n" for name, (default, what) in SETTINGS.items())
    return (
        f"settings from the environment:\n{''.join(lines)}"
        "  ..._PORT says where on this machine a service without a ..._URL answers; SECRETS names the folder of the\n"
        "  containers' secrets, which holds the key and the password.\n"
    )


def _retry(read_retries: int) -> Retry:
    """Retries after a 503, which changed nothing, and after a lost answer where that is safe."""
    return Retry(
        total=MOST_RETRIES, connect=0, read=read_retries, other=0, status=MOST_RETRIES, status_forcelist={503},
        allowed_methods={"GET", "POST"},
        backoff_factor=0.1, backoff_max=LONGEST_WAIT, retry_after_max=LONGEST_WAIT, raise_on_status=False,
    )  # fmt: skip
