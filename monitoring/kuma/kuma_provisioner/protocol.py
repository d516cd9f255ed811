"""Uptime Kuma's Socket.IO events as methods that return an answer or raise."""

import time
from collections.abc import Mapping, Sequence
from queue import Empty, Queue
from typing import Any, Self

import requests
import socketio
from socketio.exceptions import SocketIOError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from kuma_provisioner.desired import Fields
from kuma_provisioner.errors import ServerRejected, ServerUnavailable
from kuma_provisioner.plan import CurrentState

TIMEOUT_SECONDS = 30
CONNECTION_ERRORS = (SocketIOError, requests.RequestException)
WITHOUT_CONDITIONS = ("1.", "2.0.0-dev")  # versions that fail on the column "conditions"; later ones fail without it
WRONG_PASSWORD = {"Incorrect username or password.", "authIncorrectCreds"}  # before version 2.0, and from then on
DEFAULT_ICON = "/icon.svg"  # what Uptime Kuma sends for a page that has no icon


class Kuma:
    """A connection to Uptime Kuma; methods raise ServerUnavailable if there is no answer, ServerRejected for a refusal."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._socket = socketio.Client(reconnection=False)  # a new connection would not be logged in
        self._lists: Queue[dict[str, Any]] = Queue()
        self._versions: Queue[str] = Queue()
        self._socket.on("monitorList", self._lists.put)
        self._socket.on("info", lambda info: self._versions.put(info["version"]) if "version" in info else None)
        self._version = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.disconnect()

    def connect(self, wait_seconds: float) -> None:
        """Connects, and waits for a server that is starting; raises ServerUnavailable if that takes too long."""
        retrying = Retrying(
            retry=retry_if_exception_type(CONNECTION_ERRORS),
            stop=stop_after_delay(wait_seconds),
            wait=wait_fixed(0.5),
            reraise=True,
        )
        try:
            retrying(self._socket.connect, self._url)
        except CONNECTION_ERRORS as error:
            raise ServerUnavailable(
                f"Uptime Kuma should answer at {self._url}; it did not within {wait_seconds:g} seconds ({error}). "
                "Look at its log: without UPTIME_KUMA_DB_TYPE=sqlite it waits for a choice of database in its pages."
            ) from error

    def needs_setup(self) -> bool:
        """Whether there is no admin yet."""
        return bool(self._request("needSetup"))

    def set_up(self, user: str, password: str) -> None:
        """Makes the admin."""
        self._call(f"make the admin {user!r}", "setup", (user, password))

    def log_in(self, user: str, password: str) -> None:
        """Logs in; raises ServerRejected with its own sentence for a wrong password, and for a second factor."""
        answer = self._request("login", {"username": user, "password": password})
        if answer.get("tokenRequired"):
            raise ServerRejected(
                f"The admin {user!r} needs a second factor, which a program does not have. Turn it off for {user!r}."
            )
        if answer.get("msg") in WRONG_PASSWORD:
            raise ServerRejected(
                f"Uptime Kuma has no admin {user!r} with this password. KUMA_ADMIN and KUMA_ADMIN_PASSWORD should be those "
                "that it was set up with; `npm run reset-password` in its container sets another one."
            )
        _check_ok(answer, f"let {user!r} log in")

    def current_state(self, slug: str | None) -> CurrentState:
        """All monitors, and the page of the slug; a login must come before."""
        try:
            monitors = self._lists.get(timeout=TIMEOUT_SECONDS)
            self._version = self._versions.get(timeout=TIMEOUT_SECONDS)
        except Empty as error:
            raise ServerUnavailable(
                "Uptime Kuma should send its monitors and its version after a login; it did not."
            ) from error
        answer = self._request("getStatusPage", slug) if slug else {}
        page = answer.get("config") if answer.get("ok") else None
        return CurrentState(list(monitors.values()), page, self._groups(slug) if page else ())

    def add(self, fields: Fields) -> int:
        """Adds a monitor, and returns its id."""
        monitor = {**fields, "notificationIDList": {}}
        if not self._version.startswith(WITHOUT_CONDITIONS):
            monitor["conditions"] = []
        monitor_id: int = self._call(f"add {fields['name']!r}", "add", monitor)["monitorID"]
        return monitor_id

    def edit(self, monitor: Fields, fields: Fields) -> None:
        """Replaces fields of an existing monitor; the other fields stay."""
        self._call(f"edit {monitor['name']!r}", "editMonitor", {**monitor, **fields})

    def remove(self, monitor: Fields) -> None:
        """Removes a monitor with its history."""
        self._call(f"remove {monitor['name']!r}", "deleteMonitor", monitor["id"])

    def add_page(self, title: str, slug: str) -> None:
        """Makes an empty status page."""
        self._call(f"add the status page {slug!r}", "addStatusPage", (title, slug))

    def save_page(self, slug: str, fields: Fields, groups: Mapping[str, Sequence[int]]) -> None:
        """Replaces fields of an existing page, and its groups by these groups of monitor ids."""
        config = self._call(f"show the status page {slug!r}", "getStatusPage", slug)["config"]
        icon = "" if config["icon"] == DEFAULT_ICON else config["icon"]
        group_ids = {group["name"]: {"id": group["id"]} for group in self._groups(slug)}
        new_groups = [
            {"name": name, "monitorList": [{"id": monitor_id} for monitor_id in monitor_ids], **group_ids.get(name, {})}
            for name, monitor_ids in groups.items()
        ]
        page = slug, {**config, "logo": icon, **fields}, icon, new_groups
        self._call(f"save the status page {slug!r}", "saveStatusPage", page)

    def _groups(self, slug: str | None) -> Sequence[Fields]:
        """The groups of a page, which only HTTP sends; a query that is always new avoids the cache of five minutes."""
        url, parameters = f"{self._url}/api/status-page/{slug}", {"at": str(time.time_ns())}
        try:
            response = requests.get(url, params=parameters, timeout=TIMEOUT_SECONDS)
            response.raise_for_status()
        except requests.RequestException as error:
            raise ServerUnavailable(f"Uptime Kuma should show the groups of page {slug!r}; it does not: {error}.") from error
        groups: Sequence[Fields] = response.json()["publicGroupList"]
        return groups

    def _call(self, purpose: str, event: str, data: Any = None) -> Any:
        """The answer to an event; raises ServerRejected for a refusal, which names the purpose."""
        answer = self._request(event, data)
        _check_ok(answer, purpose)
        return answer

    def _request(self, event: str, data: Any = None) -> Any:
        try:
            return self._socket.call(event, data, timeout=TIMEOUT_SECONDS)
        except SocketIOError as error:
            raise ServerUnavailable(
                f"Uptime Kuma stopped answering at {event!r}. Run this again: it continues where it stopped."
            ) from error


def _check_ok(answer: Mapping[str, Any], purpose: str) -> None:
    if not answer.get("ok"):
        raise ServerRejected(f"Uptime Kuma refused to {purpose}: {answer.get('msg')}")
