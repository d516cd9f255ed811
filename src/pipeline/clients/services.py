"""The two running services as their caller sees them: a 503 is waited out, a refusal is a sentence."""

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
WAITS = 30  # times that a 503 is waited out, mostly for the second that its Retry-After names
MOST = 1000  # on a page
LONGEST_WAIT = 10  # seconds, whatever a Retry-After asks
SETTINGS = {  # name: its default, which is that of development, and what it is
    "PREDICTION_API_URL": ("http://127.0.0.1:8000", "the prediction service"),
    "PREDICTION_API_KEY": ("", "a key of API_KEYS, if the prediction service has any"),
    "DATA_API_URL": ("http://127.0.0.1:8001", "the data service"),
    "DATA_API_KEY": ("ontime_development_key_of_the_prediction_service", "a service key of the data service"),
    "FIRST_ADMIN": ("admin", "a user of the data service who may read"),
    "FIRST_ADMIN_PASSWORD": ("development", "the password of that user"),
}
AGAIN = "Type `{}` in another terminal, then try again."


class ServiceUnavailable(OntimeError):
    """Nobody answers at the address of a service."""


class ServiceRejected(OntimeError):
    """A service answered, and not as it was asked."""


@dataclass(frozen=True)
class Address:
    """Where a service listens, and the settings that say so and who asks it."""

    url: str
    setting: str
    credentials: str
    start: str = "make serve"


class Service:
    """Asks one service; ``lost`` is how often a request is sent again whose answer was lost on the way."""

    def __init__(self, address: Address, lost: int) -> None:
        self.address, self.url = address, address.url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor a .netrc stands between two programs of one machine
        self._session.mount(self.url, HTTPAdapter(max_retries=_patience(lost)))

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
            raise ServiceUnavailable(self._absence(error, f"{method} {path}")) from error
        if not answer.ok:
            raise ServiceRejected(f"{method} {self.url}{path} answered {answer.status_code}: {self._reason(answer)}")
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            raise ServiceRejected(
                f"{method} {self.url}{path} should answer JSON; it answered {answer.text[:60]!r}. "
                f"{self.address.setting} seems to be the address of something else."
            ) from error
        return found

    def _absence(self, error: requests.RequestException, asked: str) -> str:
        reason = getattr(error.args[0], "reason", error) if error.args else error
        if isinstance(reason, NewConnectionError | ConnectTimeoutError):
            return f"nobody answers at {self.url} ({self.address.setting}). {AGAIN.format(self.address.start)}"
        said = f"{self.url} ({self.address.setting}) gave no whole answer to {asked}: {reason}"
        return f"{said}. {AGAIN.format(self.address.start)}"

    def _reason(self, answer: requests.Response) -> str:
        """The detail and the first fault of the problem that a service describes (RFC 9457), and what to do about it."""
        try:
            problem = answer.json()
            fault = next(iter(problem.get("errors") or ()), None)
            said = str(problem["detail"]) + (
                f" {fault['field']}: wanted {fault['wanted']}; got {fault['got']}." if fault else ""
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            said = answer.text[:200]
        return f"{said} Set {self.address.credentials}." if answer.status_code in {401, 403} else said


class PredictionService:
    """Predicts; a batch whose answer is lost may have been recorded, so that it is never sent twice."""

    def __init__(self, address: Address, key: str) -> None:
        self._service, self._headers = Service(address, lost=0), {"X-API-Key": key} if key else {}
        self.url = self._service.url

    def model(self) -> dict[str, Any]:
        """What the service says of the model that answers."""
        return self._service.get("/model", self._headers)

    def delivery(self) -> str:
        """How its delivery to the data service does: ok, off, or what failed last."""
        return str(self._service.get("/readyz")["checks"]["outbox"]["delivery"])

    def predict(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """An answer for each record, in their order; one record by itself takes the route for one."""
        if len(records) == 1:
            return [self._service.post("/predict", self._headers, json=records[0])]
        answers: list[dict[str, Any]] = self._service.post("/predict/batch", self._headers, json={"records": records})[
            "predictions"
        ]
        return answers


class DataService:
    """Takes outcomes with a key, and shows what became of predictions to a user."""

    def __init__(self, address: Address, key: str, user: str, password: str) -> None:
        self._service, self._headers = Service(address, lost=3), {"X-API-Key": key}
        self._login, self.url = {"username": user, "password": password}, self._service.url
        self._token: dict[str, str] = {}

    def log_in(self) -> None:
        """Fetches a token, which `performance` shows."""
        token = self._service.post("/token", data=self._login)["access_token"]
        self._token = {"Authorization": f"Bearer {token}"}

    def record(self, outcomes: Mapping[str, bool]) -> None:
        """Sends what came true, by the id of its prediction; known outcomes may come again."""
        body = [{"prediction_id": name, "outcome": outcome} for name, outcome in outcomes.items()]
        self._service.post("/outcomes", self._headers, json={"outcomes": body})

    def predicted(self, since: datetime) -> list[str]:
        """The ids of the predictions from then on, the newest thousand."""
        found = self._service.get("/predictions", self._token, since=since.isoformat(), limit=MOST, order="newest")
        return [one["prediction_id"] for one in found["predictions"]]

    def deployments(self, at: datetime) -> list[dict[str, Any]]:
        """The models that answered at a moment, each with its replica, its commit and its data."""
        found: list[dict[str, Any]] = self._service.get("/deployments", self._token, at=at.isoformat(), limit=MOST)[
            "deployments"
        ]
        return found

    def performance(self, since: datetime, until: datetime, bins: int) -> dict[str, Any]:
        """The scores of all predictions made from ``since`` to before ``until``, and of each model version's."""
        query = {"since": since.isoformat(), "until": until.isoformat(), "bins": bins, "by": "model_version"}
        return self._service.get("/performance", self._token, **query)


def from_environment(environment: Mapping[str, str]) -> tuple[PredictionService, DataService]:
    """Both services where SETTINGS say that they are. Raises SecretMissing."""
    value = {name: setting(name, default, environment) for name, (default, _) in SETTINGS.items()}
    prediction = Address(value["PREDICTION_API_URL"], "PREDICTION_API_URL", "PREDICTION_API_KEY")
    store = Address(value["DATA_API_URL"], "DATA_API_URL", "DATA_API_KEY, FIRST_ADMIN and FIRST_ADMIN_PASSWORD")
    return (
        PredictionService(prediction, value["PREDICTION_API_KEY"]),
        DataService(store, value["DATA_API_KEY"], value["FIRST_ADMIN"], value["FIRST_ADMIN_PASSWORD"]),
    )


def help_text() -> str:
    """SETTINGS, as the help of a command shows them."""
    lines = (f"  {name:<22}{what} (default: {default or 'none'})\n" for name, (default, what) in SETTINGS.items())
    return (
        f"settings from the environment:\n{''.join(lines)}"
        "  ..._PORT says where on this machine a service without a ..._URL answers; SECRETS names the folder of the\n"
        "  containers' secrets, which holds the key and the password.\n"
    )


def _patience(lost: int) -> Retry:
    """Waits out a 503, which changed nothing."""
    return Retry(
        total=WAITS, connect=0, read=lost, other=0, status=WAITS, status_forcelist={503}, allowed_methods={"GET", "POST"},
        backoff_factor=0.1, backoff_max=LONGEST_WAIT, retry_after_max=LONGEST_WAIT, raise_on_status=False,
    )  # fmt: skip
