"""A data service of the tests, over real HTTP: it records what arrives, and refuses, falls silent or is away as told."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RECORDED, LOST, SILENT = 201, -1, -2  # LOST: recorded, and then the connection breaks off; SILENT: nothing is answered
STORED = 200
Prediction = Deployment = dict[str, Any]


def confirmation(path: str, content: Any) -> dict[str, Any]:
    """What the data service answers once it has stored what was sent to this path."""
    if path == "/predictions":
        return {"recorded": len(content), "known": 0}
    return {"deployment_id" if path.startswith("/deployments/") else "model_version": path.rpartition("/")[2]}


class DataService:
    """Records predictions and deployments by id, each as often as it came; ``answer`` says what becomes of a request."""

    def __init__(self) -> None:
        self.answer: Callable[[list[Prediction]], int] = lambda predictions: RECORDED
        self.faults: Callable[[Any], list[str]] = lambda content: []  # the fields that a refusal names
        self.answer_deployment: Callable[[Deployment], int] = lambda deployment: STORED
        self.refusal: Any = None  # what another server answers in place of a problem
        self.refusal_type = "application/problem+json"
        self.is_echo = False  # a stranger, who sends back what it got
        self.confirmation: Callable[[str, Any], Any] = confirmation
        self.copies: dict[str, list[Prediction]] = {}
        self.deployments: dict[str, list[Deployment]] = {}  # all that was said of each
        self.models: list[tuple[str, dict[str, Any]]] = []  # versions and what was said of them, as often as it was
        self.answer_model = STORED
        self.deployment_answers: list[int] = []
        self.deployment_headers: list[dict[str, str]] = []
        self.requests: list[tuple[int, int]] = []  # the answer, and how many predictions it was about
        self.headers: list[dict[str, str]] = []
        self.paths: set[str] = set()
        self._lock, self._released = threading.Lock(), threading.Event()
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def recorded(self) -> list[Prediction]:
        """Each prediction once, in the order in which they first came."""
        with self._lock:
            return [copies[0] for copies in self.copies.values()]

    def start(self) -> None:
        """Listens, on the same port each time."""
        self._released.clear()
        self._server = _Server(("127.0.0.1", self._port), _handler(self))
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Is away: nobody listens, and open connections break off."""
        self._released.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def take(self, headers: dict[str, str], path: str, predictions: list[Prediction]) -> int:
        """Records what one request brought, as far as its answer says so, and gives the answer."""
        answer = self.answer(predictions)
        with self._lock:
            self.requests.append((answer, len(predictions)))
            self.headers.append(headers)
            self.paths.add(path)
            if answer in {RECORDED, LOST}:
                for prediction in predictions:
                    self.copies.setdefault(prediction["prediction_id"], []).append(prediction)
        if answer == SILENT:
            self._released.wait(60)
        return answer

    def put(self, headers: dict[str, str], path: str, deployment: Deployment) -> int:
        """Records what is said of one deployment, as far as its answer says so, and gives the answer."""
        answer = self.answer_deployment(deployment)
        folder, deployment_id = path.removeprefix("/").split("/")
        if folder == "models":
            self.models.append((deployment_id, deployment))
            return self.answer_model
        assert folder == "deployments"
        with self._lock:
            self.deployment_answers.append(answer)
            self.deployment_headers.append(headers)
            if answer in {STORED, LOST}:
                self.deployments.setdefault(deployment_id, []).append(deployment)
        if answer == SILENT:
            self._released.wait(60)
        return answer

    @contextmanager
    def connected(self, connection: socket.socket) -> Iterator[None]:
        """Knows a connection while it is open."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 64


def _handler(service: DataService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def handle(self) -> None:
            with service.connected(self.connection), suppress(OSError):
                super().handle()

        def do_POST(self) -> None:
            self.respond(service.take, lambda body: body["predictions"])

        def do_PUT(self) -> None:
            self.respond(service.put, lambda body: body)

        def respond(self, recorded: Callable[[dict[str, str], str, Any], int], content_of: Callable[[Any], Any]) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                body = content_of(json.loads(content))
            except ValueError:
                return self.close_connection_now()  # the sender died in the middle
            answer = recorded(headers, self.path, body)
            if answer in {LOST, SILENT}:
                return self.close_connection_now()
            errors = [{"field": field} for field in (service.faults(body) if answer >= 400 else [])]
            refusal = {
                "type": "about:blank",
                "title": "No",
                "status": answer,
                "detail": "as the test wants it",
                "errors": errors,
            }
            content = service.refusal or refusal if answer >= 300 else service.confirmation(self.path, body)
            text = json.dumps({"headers": headers} if service.is_echo else content).encode()
            if answer == HTTPStatus.NO_CONTENT:
                text = b""  # a body would be taken for the beginning of the next answer
            self.send_response(answer)
            self.send_header("content-type", service.refusal_type if answer >= 300 else "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return None

        def close_connection_now(self) -> None:
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
