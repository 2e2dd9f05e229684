"""Start the server, say where it is, and stop it."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import webbrowser
from pathlib import Path
from typing import Any

import uvicorn

from salus.errors import SalusError
from salus.segmentation.segmenter import Segmenter
from salus.serve.app import create_app
from salus.serve.authentication import SHORTEST
from salus.serve.settings import ServeSettings, is_loopback
from salus.serve.slow_headers import CONNECTIONS, Haste


def start(
    *,
    host: str,
    port: int,
    token: str | None,
    names: tuple[str, ...],
    folder: Path | None,
    output: Path | None,
    certificate: Path | None,
    key: Path | None,
    browser: bool,
    limits: dict[str, Any],
    network: dict[str, Any],
) -> None:
    """Serve until interrupted; see `salus.cli.serve` for the options.

    Raises:
        SalusError: an option makes no sense, the port is taken, or see `Segmenter`.
    """
    settings = settings_for(
        host=host, port=port, token=token, names=names, folder=folder, output=output, certificate=certificate, key=key,
        limits=limits,
    )  # fmt: skip
    listener = listen(settings)
    with listener:
        app = create_app(settings, Segmenter(**network))
        config = uvicorn.Config(
            app,
            log_config=None,  # no access log: addresses and paths are nobody's business
            log_level="critical",
            access_log=False,
            server_header=False,
            http=Haste,
            ws="none",
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        server = _Server(config)
        scheme = "https" if settings.secure else "http"
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        address = f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{listener.getsockname()[1]}/"
        link = address if app.door is None else f"{address}enter?code={app.door.code}"
        server.say = [f"Salus: {link}" + ("  (this link works once)" if app.door else "")]
        if app.door is not None:
            server.say.append(f"token, for others and for programs: {settings.token}")
        if not is_loopback(host) and not settings.secure:
            server.say.append("the token and the images travel unencrypted; --certificate and --key make it HTTPS")
        server.say.append("Research software, not a medical device. Ctrl-C ends it and removes what was uploaded.")
        server.link = link if browser and is_loopback(host) else None
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
            # the terminal's window was closed; uploads go then as well
            signal.signal(signal.SIGHUP, server.handle_exit)
        server.run([listener])


def settings_for(
    *,
    host: str,
    port: int,
    token: str | None,
    names: tuple[str, ...],
    folder: Path | None,
    output: Path | None,
    certificate: Path | None,
    key: Path | None,
    limits: dict[str, Any],
) -> ServeSettings:
    """The server's settings; other computers are let in with a token alone, which is made where none is given.

    Raises:
        SalusError: a token too short to be safe, a certificate without its key, a limit below 1.
    """
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    if token is not None and (len(token) < SHORTEST or not token.isascii() or not token.isprintable()):
        raise SalusError(f"the token must have {SHORTEST} ASCII characters or more; leave it out, and one is made")
    if (certificate is None) != (key is None):
        raise SalusError("--certificate and --key go together")
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise SalusError(f"{path}: no such file")
    if output is not None and folder is None:
        raise SalusError("-o names where reviewed images of --folder go; give --folder as well")
    for name, value in limits.items():
        if not value > 0:
            raise SalusError(f"{name.replace('_', ' ')} {value}: give 1 or more")
    return ServeSettings(
        host=host, port=port, token=token, names=names, secure=certificate is not None, folder=folder, output=output,
        **limits,
    )  # fmt: skip


def listen(settings: ServeSettings) -> socket.socket:
    """A listening socket.

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


class _Server(uvicorn.Server):
    """Says where it is once it can be reached."""

    say: list[str]
    link: str | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(*self.say, sep="\n", flush=True)
        if self.link:
            threading.Thread(target=webbrowser.open, args=(self.link,), daemon=True).start()
