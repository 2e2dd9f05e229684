"""`salus report`: write a run's report again, also of a run that is not finished."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from salus.cli.output import log


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "report",
        help="write a run's report again",
        description="Write RUN/report.html, RUN/report.md and RUN/scores.csv from what is finished so far.",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="the folder of a benchmark")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the report of a run."""
    from salus.errors import SalusError

    try:
        from salus.lab.report.build import build_report

        build_report(args.folder, log)
    except ModuleNotFoundError as error:
        raise SalusError(f'{error.name} is not installed; run: pip install "salus[train]"') from None
