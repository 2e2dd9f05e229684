"""`salus info`: what is installed here."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "info",
        help="versions, processor, engines and shipped networks",
        description="What is installed here, for a look or a bug report. Nothing is loaded, so it takes a moment, "
        "unless it measures.",
        epilog="example: salus info --json",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="measure which precision is faster here (else done once, where it is needed)",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Gather and print what is installed."""
    from dataclasses import asdict

    from salus.environment import collect_info, render_info

    environment = collect_info(measure=args.measure)
    print(json.dumps(asdict(environment), indent=1) if args.json else render_info(environment))
