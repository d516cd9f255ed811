"""Uptime Kuma's Socket.IO events as calls that give an answer or raise."""

import time
from collections.abc import Mapping, Sequence
from queue import Empty, Queue
from typing import Any, Self

import requests
import socketio
from socketio.exceptions import SocketIOError
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from kuma_provisioner.errors import ServerRejected, ServerUnavailable
from kuma_provisioner.plan import CurrentState

ANSWER_SECONDS = 30
WITHOUT_CONDITIONS = ("1.", "2.0.0-dev")  # versions that fail on the column; later ones fail without it
WRONG = {"Incorrect username or password.", "authIncorrectCreds"}  # the same, in 2.0 and later
DEFAULT_ICON = "/icon.svg"  # what Uptime Kuma says for a page that has no icon


class Kuma:
    """A connection to Uptime Kuma; calls raise ServerUnavailable without an answer, ServerRejected for a refusal."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._socket = socketio.Client(reconnection=False)  # a connection that came back would not be logged in
        self._lists: Queue[dict[str, Any]] = Queue()
        self._versions: Queue[str] = Queue()
        self._socket.on("monitorList", self._lists.put)
        self._socket.on("info", lambda told: self._versions.put(told["version"]) if "version" in told else None)
        self._version = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.disconnect()

    def connect(self, wait_seconds: float) -> None:
        """Connects, waiting for a server that starts; raises ServerUnavailable once that took too long."""
        retrying = Retrying(
            retry=retry_if_exception_type((SocketIOError, requests.RequestException)),
            stop=stop_after_delay(wait_seconds),
            wait=wait_fixed(0.5),
        )
        try:
            retrying(self._connect)
        except RetryError as error:
            raise ServerUnavailable(
                f"Uptime Kuma should answer at {self._url}; it did not within {wait_seconds:g} seconds "
                f"({error.last_attempt.exception()}). Look at its log: without UPTIME_KUMA_DB_TYPE=sqlite it waits for "
                "somebody to choose a database in its pages."
            ) from error

    def needs_setup(self) -> bool:
        """Whether nobody made the admin yet."""
        return bool(self._call("needSetup"))

    def set_up(self, user: str, password: str) -> None:
        """Makes the admin."""
        self._asked(f"make the admin {user!r}", "setup", (user, password))

    def log_in(self, user: str, password: str) -> None:
        """Logs in; raises ServerRejected in one sentence for a wrong password, and for a second factor."""
        said = self._call("login", {"username": user, "password": password})
        if said.get("tokenRequired"):
            raise ServerRejected(
                f"The admin {user!r} wants a second factor, which a program has not. Turn it off for {user!r}."
            )
        if said.get("msg") in WRONG:
            raise ServerRejected(
                f"Uptime Kuma has no admin {user!r} with this password. KUMA_ADMIN and KUMA_ADMIN_PASSWORD should be those "
                "that it was set up with; `npm run reset-password` in its container sets another one."
            )
        _refused(said, f"let {user!r} in")

    def present(self, slug: str | None) -> CurrentState:
        """What it holds after a login: all monitors, and the page of the slug."""
        try:
            monitors = self._lists.get(timeout=ANSWER_SECONDS)
            self._version = self._versions.get(timeout=ANSWER_SECONDS)
        except Empty as error:
            raise ServerUnavailable(
                "Uptime Kuma should send its monitors and its version after a login; it did not."
            ) from error
        found = self._call("getStatusPage", slug) if slug else {}
        page = found.get("config") if found.get("ok") else None
        return CurrentState(list(monitors.values()), page, self._groups(slug) if page else ())

    def add(self, fields: Mapping[str, Any]) -> int:
        """Adds a monitor, and gives its id."""
        whole = {**fields, "notificationIDList": {}}
        if not self._version.startswith(WITHOUT_CONDITIONS):
            whole["conditions"] = []
        added: int = self._asked(f"add {fields['name']!r}", "add", whole)["monitorID"]
        return added

    def edit(self, monitor: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        """Lays fields over a monitor that it holds; what they do not name stays."""
        self._asked(f"edit {monitor['name']!r}", "editMonitor", {**monitor, **fields})

    def remove(self, monitor: Mapping[str, Any]) -> None:
        """Removes a monitor with its history."""
        self._asked(f"remove {monitor['name']!r}", "deleteMonitor", monitor["id"])

    def add_page(self, title: str, slug: str) -> None:
        """Makes an empty status page."""
        self._asked(f"add the status page {slug!r}", "addStatusPage", (title, slug))

    def save_page(self, slug: str, fields: Mapping[str, Any], groups: Mapping[str, Sequence[int]]) -> None:
        """Lays fields over a page that it holds, and gives it these groups of ids of monitors."""
        config = self._asked(f"show the status page {slug!r}", "getStatusPage", slug)["config"]
        icon = "" if config["icon"] == DEFAULT_ICON else config["icon"]
        old = {group["name"]: {"id": group["id"]} for group in self._groups(slug)}
        new = [
            {"name": name, "monitorList": [{"id": one} for one in ids], **old.get(name, {})} for name, ids in groups.items()
        ]
        self._asked(
            f"save the status page {slug!r}", "saveStatusPage", (slug, {**config, "logo": icon, **fields}, icon, new)
        )

    def _connect(self) -> None:
        self._socket.connect(self._url)

    def _groups(self, slug: str | None) -> Sequence[Mapping[str, Any]]:
        """The groups of a page, which only HTTP tells; a new query each time passes the cache of five minutes."""
        try:
            answer = requests.get(
                f"{self._url}/api/status-page/{slug}", params={"at": str(time.time_ns())}, timeout=ANSWER_SECONDS
            )
            answer.raise_for_status()
        except requests.RequestException as error:
            raise ServerUnavailable(f"Uptime Kuma should show the groups of page {slug!r}; it does not: {error}.") from error
        groups: Sequence[Mapping[str, Any]] = answer.json()["publicGroupList"]
        return groups

    def _asked(self, what: str, event: str, data: Any = None) -> Any:
        """The answer to an event that may be refused."""
        return _refused(self._call(event, data), what)

    def _call(self, event: str, data: Any = None) -> Any:
        try:
            return self._socket.call(event, data, timeout=ANSWER_SECONDS)
        except SocketIOError as error:
            raise ServerUnavailable(
                f"Uptime Kuma stopped answering at {event!r}. Run this again: it goes on from there."
            ) from error


def _refused(said: Any, what: str) -> Any:
    """An answer that agrees; raises ServerRejected for another."""
    if not said.get("ok"):
        raise ServerRejected(f"Uptime Kuma refused to {what}: {said.get('msg')}")
    return said
