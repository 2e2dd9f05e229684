"""`salus node`: a DICOM node that segments what it is sent, and sends the results on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "node",
        help="receive DICOM images, segment them, send the results on",
        description="A DICOM node: receives ultrasound images by C-STORE, outlines tumours, and sends segmentations, "
        "reports and captures to the destinations in CONFIG by C-STORE or STOW-RS. Objects wait on disk; a node that "
        "is killed loses nothing, and sends nothing twice. The log names no patient. It runs until interrupted.",
        epilog="Research software, not a medical device. docs/how-to/node.md shows a CONFIG. "
        "examples: salus node node.toml; salus node node.toml --check",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="its settings, a TOML file")
    parser.add_argument("--check", action="store_true", help="check CONFIG and what is installed, and end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the node until it is interrupted or terminated."""
    import logging
    import signal
    import sys
    import time
    from threading import Event

    from salus.node.node import require_node_packages, running_node
    from salus.node.settings import read_settings

    settings = read_settings(args.config)
    if args.check:
        require_node_packages(deidentify=settings.segment.deidentify)
        names = ", ".join(destination.name for destination in settings.destinations)
        print(f"{args.config}: settings are right; results go to {names}")
        return 0
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log = logging.getLogger("salus.node")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with running_node(settings):
        ended.wait()
        log.info("ending; what is not finished is kept for the next start")
    return 0
