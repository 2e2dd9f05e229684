"""Start the server, print its address, and stop it."""

from __future__ import annotations

import signal
import socket
import threading
import webbrowser
from dataclasses import replace
from typing import Any

import uvicorn

from salus.errors import SalusError
from salus.segmentation.segmenter import Segmenter
from salus.serve.app import create_app
from salus.serve.settings import ServeSettings, complete_settings, is_loopback
from salus.serve.slow_headers import MAX_CONNECTIONS, SlowHeaderTimeout


def start(settings: ServeSettings, network: dict[str, Any], *, browser: bool) -> None:
    """Serve until interrupted.

    Args:
        settings: of the server.
        network: arguments of `Segmenter`.
        browser: whether to open the page in a browser.

    Raises:
        SalusError: a setting makes no sense, the port is taken, or see `Segmenter`.
    """
    settings = complete_settings(settings)
    with listen(settings) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        app = create_app(settings, Segmenter(**network))
        config = uvicorn.Config(
            app,
            log_config=None,  # no access log: addresses and paths are nobody's business
            log_level="critical",
            access_log=False,
            server_header=False,
            http=SlowHeaderTimeout,
            ws="none",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
        link = f"{settings.scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}{settings.root_path}/"
        loopback, lines = is_loopback(settings.host), [f"Salus: {link}"]
        if (authentication := app.authentication) is not None:
            once = f"{link}enter?code={authentication.one_time_code}"
            if loopback:  # only this computer's users can follow the link, and only this one sees it
                lines = [f"Salus: {link}enter?token={authentication.token}"]
            else:
                lines = [f"Salus: {once}  (this link works once)"]
            lines.append(f"token, for others and for programs: {authentication.token}")
            link = once
        if not loopback and settings.scheme == "http":
            lines.append("the token and the images travel unencrypted; --certificate and --key make it HTTPS")
        kept = "removes what was uploaded"
        if settings.work:
            kept = f"keeps the work of {settings.keep_days:g} days in {settings.work}"
        lines.append(f"Research software, not a medical device. Ctrl-C ends it and {kept}.")
        server = _AnnouncedServer(config, lines, link if browser and loopback else None)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
            # the terminal's window was closed: stop, so that temporary files are removed then as well
            signal.signal(signal.SIGHUP, server.handle_exit)
        server.run([listener])


def listen(settings: ServeSettings) -> socket.socket:
    """Open the listening socket.

    Raises:
        SalusError: the address is not this computer's, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise SalusError(f"{settings.host}: no address of this computer ({error})") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except (OSError, OverflowError) as error:
        listener.close()
        raise SalusError(f"port {settings.port} of {settings.host} cannot be used ({error}); try --port N") from None
    return listener


class _AnnouncedServer(uvicorn.Server):
    """Print lines and open a link in a browser once the server can be reached."""

    def __init__(self, config: uvicorn.Config, lines: list[str], link: str | None) -> None:
        super().__init__(config)
        self.lines, self.link = lines, link

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(*self.lines, sep="\n", flush=True)
        if self.link:
            threading.Thread(target=webbrowser.open, args=(self.link,), daemon=True).start()
