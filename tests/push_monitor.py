"""A push monitor of the tests, over real HTTP: it counts heartbeats, refuses them, falls silent or is away as told."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "a-token-that-nobody-may-see"


class PushMonitor:
    """What Uptime Kuma is to a service: ``beats`` are the paths that were asked for, ``answer`` is the status."""

    def __init__(self) -> None:
        self.beats: list[str] = []
        self.authorizations: list[str | None] = []
        self.answer, self.silent_seconds = 200, 0.0
        monitor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                monitor.beats.append(self.path)
                monitor.authorizations.append(self.headers["authorization"])
                time.sleep(monitor.silent_seconds)
                self.send_response(monitor.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.path = f"/api/push/{TOKEN}?status=up&msg=OK"
        self.url = f"http://127.0.0.1:{self._server.server_port}{self.path}"

    def stop(self) -> None:
        """Is away: nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()
