"""Tell the state of a node by HTTP, for a container's health check or a monitor: GET /healthz."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from salus.errors import SalusError
from salus.node.settings import HealthSettings


class HealthServer:
    """A small HTTP server.

    Args:
        settings: where it listens.
        state: gives the state; its "status" is "failed" where the node no longer works.

    Raises:
        SalusError: the port cannot be used.

    Example:
        >>> from urllib.request import urlopen
        >>> server = HealthServer(HealthSettings(port=0), lambda: {"status": "ok"})
        >>> server.start()
        >>> urlopen(f"http://127.0.0.1:{server.port}/healthz").read()
        b'{"status": "ok"}\\n'
        >>> server.stop()
    """

    def __init__(self, settings: HealthSettings, state: Callable[[], dict[str, Any]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            """Answer a request; 503 where the node no longer works."""

            timeout = 10

            def do_GET(self) -> None:  # the name that http.server calls
                """Answer with the state as JSON."""
                if self.path != "/healthz":
                    self.send_error(404)
                    return
                content = state()
                body = json.dumps(content).encode() + b"\n"
                self.send_response(503 if content["status"] == "failed" else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        try:
            self._server = ThreadingHTTPServer((settings.host, settings.port), Handler)
        except OSError as error:
            raise SalusError(
                f"port {settings.port} of {settings.host} cannot be used for the health endpoint ({error.strerror}); "
                "set another in [health]"
            ) from None

    @property
    def port(self) -> int:
        """Port on which it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer requests in a thread."""
        Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
