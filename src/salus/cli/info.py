"""`salus info`: what is installed here."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "info",
        help="versions, processor, engines and shipped networks",
        description="What is installed here, for a look or a bug report. Nothing is loaded, so it takes a moment.",
        epilog="example: salus info --json",
    )
    p.add_argument("--json", action="store_true", help="print it as JSON")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Look and print."""
    from dataclasses import asdict

    from salus.environment import gather, render

    found = gather()
    print(json.dumps(asdict(found), indent=1) if asked.json else render(found))
