"""`salus serve`: a page on this computer to drop images on, and an HTTP interface."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "serve",
        help="open a page on this computer to drop images on",
        description="Open a page in the browser: drop images, see outlines and sizes, correct them, and export "
        "what was corrected as a data set for salus train. Nothing leaves this computer. "
        "/openapi.json describes the HTTP interface.",
        epilog="Research software, not a medical device. "
        "examples: salus serve; salus serve --folder scans/; salus serve --host 0.0.0.0 --port 8000",
    )
    p.add_argument("--folder", type=Path, metavar="DIR", help="images to review one after another")
    p.add_argument("-o", "--out", type=Path, metavar="OUT", help="where reviewed images go (default: DIR/reviewed)")
    p.add_argument("--port", type=int, default=8765, metavar="N", help="default: %(default)s")
    p.add_argument("--no-browser", action="store_true", help="print the address alone")
    n = p.add_argument_group("network")
    n.add_argument(
        "--network", metavar="FILE", help="the .onnx of salus train, or .xml of salus export (default: shipped)"
    )
    n.add_argument("--threshold", type=float, metavar="P", help="probability of tumour (default: the network's own)")
    n.add_argument(
        "--tta",
        action=argparse.BooleanOptionalAction,
        help="average with the mirrored image, at twice the time (default: as the network was calibrated)",
    )
    n.add_argument("--engine", choices=("auto", "openvino", "onnxruntime"), default="auto", help="default: %(default)s")
    n.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="default: %(default)s")
    s = p.add_argument_group("for other computers")
    s.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this computer alone)")
    s.add_argument(
        "--token",
        metavar="TOKEN",
        help="that every request must carry; demanded for other computers, and made where none is given "
        "(SALUS_TOKEN in the environment does the same, unseen by others)",
    )
    s.add_argument("--name", action="append", default=[], metavar="HOST", help="a name this server is called by")
    s.add_argument("--certificate", type=Path, metavar="FILE", help="speak HTTPS: PEM file")
    s.add_argument("--key", type=Path, metavar="FILE", help="its private key, PEM")
    limits = p.add_argument_group("limits")
    limits.add_argument("--max-mb", type=int, default=512, metavar="N", help="of one request (default: %(default)s)")
    limits.add_argument("--max-frames", type=int, default=2000, metavar="N", help="of one file (default: %(default)s)")
    limits.add_argument(
        "--queue", type=int, default=64, metavar="N", help="requests at a time; beyond, 429 (default: 64)"
    )
    limits.add_argument(
        "--timeout", type=float, default=60, metavar="S", help="of an image; beyond, 504 (default: 60 s)"
    )
    limits.add_argument(
        "--keep", type=float, default=120, metavar="MIN", help="idle minutes of a session (default: 120)"
    )
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from importlib.util import find_spec

    from salus.errors import SalusError

    if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "python_multipart")):
        raise SalusError('salus serve needs more packages; pip install "salus[serve]"')
    from salus.serve.server import start

    start(
        host=asked.host,
        port=asked.port,
        token=asked.token or os.environ.get("SALUS_TOKEN") or None,
        names=tuple(asked.name),
        folder=asked.folder,
        output=asked.out,
        certificate=asked.certificate,
        key=asked.key,
        browser=not asked.no_browser,
        limits={
            "request_bytes": asked.max_mb << 20,
            "frames": asked.max_frames,
            "waiting": asked.queue,
            "seconds": asked.timeout,
            "keep_seconds": asked.keep * 60,
        },
        network={name: getattr(asked, name) for name in ("network", "threshold", "tta", "engine", "device")},
    )
    return 0
