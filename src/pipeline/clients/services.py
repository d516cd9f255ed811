"""HTTP clients of the services; they retry after a 503 and explain a refusal in a sentence."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import requests
import tenacity
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from pipeline.clients.environment import setting
from pipeline.support.errors import OntimeError, without_password

TIMEOUT = (5, 60)  # seconds to connect, and to wait for an answer
MOST_RETRIES = 30  # after a 503, mostly for the second that its Retry-After asks for
PAGE_SIZE = 1000  # records of one page, the most that the data service gives
MOST_EVENTS = 10_000  # in one request, by the data service's own default limit
CHUNK_BYTES = 1 << 16  # of an answer that is read line by line
LONGEST_WAIT = 10  # seconds between retries, whatever a Retry-After asks for
SETTINGS = {  # name: its default, which is that of development, and what it is
    "PREDICTION_API_URL": ("http://127.0.0.1:8000", "the prediction service"),
    "PREDICTION_API_KEY": ("", "a key of API_KEYS, if the prediction service and the board have any"),
    "DATA_API_URL": ("http://127.0.0.1:8001", "the data service"),
    "DATA_API_KEY": ("ontime_development_key_of_the_prediction_service", "a service key of the data service"),
    "FIRST_ADMIN": ("admin", "a user of the data service who may read"),
    "FIRST_ADMIN_PASSWORD": ("development", "the password of that user"),
    "BOARD_URL": ("http://127.0.0.1:8002", "the board"),
}


class ServiceUnavailable(OntimeError):
    """No service answers at the address."""


class ServiceRejected(OntimeError):
    """A service refused a request with a ``status``, or its answer is not JSON.

    ``field_errors`` are those of its problem details, if any.
    """

    def __init__(self, message: str, field_errors: Sequence[Mapping[str, str]] = (), status: int | None = None) -> None:
        super().__init__(message)
        self.field_errors, self.status = field_errors, status


class Service:
    """A session with one service; requests are sent again up to ``retries`` times after a 503, ``read_retries`` unanswered.

    Messages name the ``setting`` of the URL, those of the ``credentials``, and the command that would ``start`` the service.
    """

    def __init__(
        self,
        url: str,
        setting: str,
        credentials: str = "",
        start: str = "make serve",
        read_retries: int = 3,
        retries: int = MOST_RETRIES,
    ) -> None:
        self._address, self.url = url.rstrip("/"), without_password(url).rstrip("/")  # the latter is for messages
        self._setting, self._credentials, self._start = setting, credentials, start
        self._session = requests.Session()
        self._session.trust_env = False  # ignores proxies and .netrc: the services run on this machine
        retry = Retry(  # after a 503, which changed nothing, and after a lost answer where that is safe
            total=retries, connect=0, read=read_retries, other=0, status=retries, status_forcelist={503},
            allowed_methods={"GET", "POST"},
            backoff_factor=0.1, backoff_max=LONGEST_WAIT, retry_after_max=LONGEST_WAIT, raise_on_status=False,
        )  # fmt: skip
        self._session.mount(self._address, HTTPAdapter(max_retries=retry))

    def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> dict[str, Any]:
        """The JSON object at a path. Raises ServiceUnavailable or ServiceRejected."""
        return self._ask("GET", path, headers=headers, params=query)

    def post(self, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> dict[str, Any]:
        """The answer to ``json=`` or ``data=`` (a form). Raises ServiceUnavailable or ServiceRejected."""
        return self._ask("POST", path, headers=headers, **body)

    def lines(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """The JSON objects, one a line, at a path. Raises ServiceUnavailable or ServiceRejected."""
        try:
            with self._send("GET", path, headers=headers, params=query, stream=True) as answer:
                yield from map(json.loads, answer.iter_lines(CHUNK_BYTES))
        except requests.RequestException as error:
            raise ServiceUnavailable(self._explain_failure(error, f"GET {path}")) from error

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        answer = self._send(method, path, **content)
        try:
            body: dict[str, Any] = answer.json()
        except ValueError as error:
            raise ServiceRejected(
                f"{method} {self.url}{path} should answer JSON; it answered {answer.text[:60]!r}. "
                f"{self._setting} seems to be the address of something else."
            ) from error
        return body

    def _send(self, method: str, path: str, **content: Any) -> requests.Response:
        try:
            answer = self._session.request(method, self._address + path, timeout=TIMEOUT, **content)
        except (requests.RequestException, UnicodeError) as error:
            raise ServiceUnavailable(self._explain_failure(error, f"{method} {path}")) from error
        if not answer.ok:
            raise ServiceRejected(
                f"{method} {self.url}{path} answered {answer.status_code}: {self._explain_refusal(answer)}",
                _field_errors(answer),
                answer.status_code,
            )
        return answer

    def _explain_failure(self, error: Exception, request: str) -> str:
        advice = f"Type `{self._start}` in another terminal, then try again."
        if isinstance(error, requests.exceptions.InvalidURL):  # whose text may hold a part of the password
            return f"{self._setting} should be an address: in its user and password write %40 for @ and %2F for /."
        if isinstance(error, requests.exceptions.InvalidHeader | UnicodeError):  # whose text holds the key
            return (
                f"{self._credentials or 'a key'} should hold visible characters of ASCII alone, as headers do; one is not."
            )
        reason = getattr(error.args[0], "reason", error) if error.args else error
        if isinstance(reason, NewConnectionError | ConnectTimeoutError):
            return f"nobody answers at {self.url} ({self._setting}). {advice}"
        return f"{self.url} ({self._setting}) gave no complete answer to {request}: {reason}. {advice}"

    def _explain_refusal(self, answer: requests.Response) -> str:
        """The detail and the first error of problem details (RFC 9457), and what to do."""
        try:
            problem = answer.json()
            reason = str(problem["detail"])
            for error in _field_errors(answer)[:1]:
                reason += f" {error['field']}: wanted {error['wanted']}; got {error['got']}."
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = answer.text[:200]
        return f"{reason} Set {self._credentials}." if answer.status_code in {401, 403} else reason


class PredictionService(Service):
    """The prediction service; no request is repeated after a lost answer, since its predictions may have been recorded."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, "PREDICTION_API_URL", "PREDICTION_API_KEY", read_retries=0)
        if key:
            self._session.headers["X-API-Key"] = key

    def model(self) -> dict[str, Any]:
        """The content of GET /model: the model that answers."""
        return self.get("/model")

    def delivery(self) -> str:
        """The state of its delivery to the data service: ok, off, or the last error."""
        return str(self.get("/readyz")["checks"]["outbox"]["delivery"])

    def predict(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The prediction of each record, in their order; a single record goes to POST /predict."""
        if len(records) == 1:
            return [self.post("/predict", json=records[0])]
        predictions: list[dict[str, Any]] = self.post("/predict/batch", json={"records": records})["predictions"]
        return predictions


class DataService(Service):
    """The data service, as a client with a key that records outcomes and as a user who reads."""

    def __init__(self, url: str, key: str, user: str, password: str) -> None:
        super().__init__(url, "DATA_API_URL", "DATA_API_KEY, FIRST_ADMIN and FIRST_ADMIN_PASSWORD")
        self._key, self._login, self._token = {"X-API-Key": key}, {"username": user, "password": password}, dict[str, str]()

    def log_in(self) -> None:
        """Fetches the token that the reading methods send."""
        self._token = {"Authorization": f"Bearer {self.post('/token', data=self._login)['access_token']}"}

    def record(self, outcomes: Mapping[str, bool]) -> None:
        """Records outcomes by the id of their predictions; repeating one changes nothing."""
        body = [{"prediction_id": name, "outcome": outcome} for name, outcome in outcomes.items()]
        self.post("/outcomes", self._key, json={"outcomes": body})

    def event(self, position: int) -> dict[str, Any]:
        """The event at a position of the log."""
        return self.get("/events", self._key, after=position - 1, limit=1)

    def append_events(self, events: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        """Appends events to the log, all or none, and returns how many are new, and how many it held before."""
        answer = self.post("/events", self._key, json={"events": events})
        return answer["recorded"], answer["known"]

    def prediction_ids(self, since: datetime) -> list[str]:
        """The ids of the newest predictions since a moment, a thousand at most."""
        page = self.get("/predictions", self._token, since=since.isoformat(), limit=PAGE_SIZE, order="newest")
        return [prediction["prediction_id"] for prediction in page["predictions"]]

    def event_log(self) -> dict[str, Any]:
        """The last position of the event log, and from which moment to which its events became known."""
        return self.get("/events/watermark", self._key)

    def official_predictions(self, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
        """The official predictions of the moments from ``since`` to before ``until``, by their ids."""
        period = {"since": since.isoformat(), "until": until.isoformat()}
        return self.lines("/predictions", self._token, **period, official="true", order="oldest", format="ndjson")

    def deployments(self, at: datetime) -> list[dict[str, Any]]:
        """The models that answered at a moment, each with its replica, its commit and its data."""
        page = self.get("/deployments", self._token, at=at.isoformat(), limit=PAGE_SIZE)
        deployments: list[dict[str, Any]] = page["deployments"]
        return deployments

    def performance(self, since: datetime, until: datetime, bins: int) -> dict[str, Any]:
        """The scores of all predictions made from ``since`` to before ``until``, and of each model version's."""
        period = {"since": since.isoformat(), "until": until.isoformat()}
        return self.get("/performance", self._token, **period, bins=bins, by="model_version")


def while_away(seconds: float) -> tenacity.Retrying:
    """Repeats a call each second for so long while its service is away, or, just after its start, knows no model yet (409).

    The request has to be one that may be repeated. Raises what the last call raised.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_passes),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(1),
        reraise=True,
    )


def _passes(error: BaseException) -> bool:
    return isinstance(error, ServiceUnavailable) or (
        isinstance(error, ServiceRejected) and error.status == requests.codes.conflict
    )


def _field_errors(answer: requests.Response) -> Sequence[Mapping[str, str]]:
    """The errors by field of problem details, each with ``field``, ``wanted`` and ``got``; none of other answers."""
    try:
        errors = answer.json().get("errors") or ()
        return [{name: str(error[name]) for name in ("field", "wanted", "got")} for error in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def from_environment(environment: Mapping[str, str]) -> tuple[PredictionService, DataService]:
    """Clients of both services, at the addresses and with the credentials that SETTINGS give. Raises SecretMissing."""
    value = [setting(name, default, environment) for name, (default, _) in SETTINGS.items()]
    return PredictionService(*value[:2]), DataService(*value[2:6])


def help_text() -> str:
    """SETTINGS as text for the help of a command."""
    lines = (f"  {name:<22}{what} (default: {default or 'none'})\n" for name, (default, what) in SETTINGS.items())
    return (
        f"settings from the environment:\n{''.join(lines)}"
        "  ..._PORT says where on this machine a service without a ..._URL answers; SECRETS names the folder of the\n"
        "  containers' secrets, which holds the key and the password.\n"
    )
