"""`salus serve`: run the page in a browser and its HTTP interface on this computer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from salus.cli import shared_options
from salus.cli.server_options import add_server, read_token

NETWORK_OPTIONS = ("network", "threshold", "restraint", "tta", "engine", "device", "precision")
"""The options that the server's `Segmenter` takes."""


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "serve",
        help="open a page on this computer to drop images on",
        description="Open a page in the browser: drop images, see outlines and sizes, correct them, and export "
        "what was corrected as a data set for salus train. Nothing leaves this computer. "
        "/openapi.json describes the HTTP interface.",
        epilog="Research software, not a medical device. "
        "examples: salus serve; salus serve --folder scans/; salus serve --host 0.0.0.0 --port 8000",
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="images to review, also in its folders")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="OUT", help="where reviewed images go (default: DIR/reviewed)"
    )
    parser.add_argument("--port", type=int, default=8765, metavar="N", help="default: %(default)s")
    parser.add_argument("--no-browser", action="store_true", help="print the address alone")
    parser.add_argument(
        "--patient-pattern",
        default="",
        metavar="PATTERN",
        help="where file names hold the patient, such as 'bus_{patient}-*', for the exported data set",
    )
    work = parser.add_argument_group("work that is kept")
    work.add_argument(
        "--work", type=Path, metavar="DIR", help="folder of uploads and outlines (default: in this user's data folder)"
    )
    work.add_argument(
        "--keep-days",
        type=float,
        default=30,
        metavar="N",
        help="days after which unused work is removed; 0 keeps none after the server ends (default: %(default)s)",
    )
    network = parser.add_argument_group("network")
    shared_options.add_network(network)
    network.add_argument(
        "--runtime",
        dest="engine",
        choices=("auto", "openvino", "onnxruntime"),
        default="auto",
        help="what runs the network, as of salus segment (default: %(default)s)",
    )
    shared_options.add_device(network)
    shared_options.add_precision(network)
    remote = parser.add_argument_group("for other computers")
    add_server(remote, "that every request must carry; demanded for other computers, and made where none is given")
    remote.add_argument("--certificate", type=Path, metavar="FILE", help="speak HTTPS: PEM file")
    remote.add_argument("--key", type=Path, metavar="FILE", help="its private key, PEM")
    remote.add_argument("--root-path", default="", metavar="PATH", help="path under which a proxy shows it: /salus")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-mb", type=int, default=512, metavar="N", help="of one request (default: %(default)s)")
    limits.add_argument("--max-frames", type=int, default=2000, metavar="N", help="of one file (default: %(default)s)")
    limits.add_argument(
        "--queue", type=int, default=64, metavar="N", help="requests at a time; beyond, 429 (default: 64)"
    )
    limits.add_argument(
        "--timeout", type=float, default=60, metavar="S", help="of an image; beyond, 504 (default: 60 s)"
    )
    limits.add_argument(
        "--keep", type=float, default=120, metavar="MIN", help="idle minutes of a session in memory (default: 120)"
    )
    parser.set_defaults(run=run)


SERVE_PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "platformdirs")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from salus.errors import require_extra

    require_extra(SERVE_PACKAGES, "serve", "salus serve")
    from salus.serve.server import start
    from salus.serve.settings import ServeSettings
    from salus.serve.work_folder import default_work_folder

    settings = ServeSettings(
        host=args.host,
        port=args.port,
        token=read_token(args),
        names=tuple(args.name),
        certificate=args.certificate,
        key=args.key,
        folder=args.folder,
        output=args.out,
        max_request_bytes=args.max_mb << 20,
        max_frames=args.max_frames,
        queue_size=args.queue,
        timeout_seconds=args.timeout,
        idle_seconds=args.keep * 60,
        work=(args.work or default_work_folder()) if args.keep_days else None,
        keep_days=args.keep_days or 30,
        root_path=args.root_path,
        patient_pattern=args.patient_pattern,
    )
    network = {name: getattr(args, name) for name in NETWORK_OPTIONS}
    start(settings, network, browser=not args.no_browser)
    return 0
