"""`salus report`: write a run's report again, also of a run that is not finished."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "report",
        help="write a run's report again",
        description="Write RUN/report.html, RUN/report.md and RUN/scores.csv from what is finished so far.",
    )
    p.add_argument("folder", type=Path, metavar="RUN", help="the folder of a benchmark")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Write the report."""
    from salus.cli.benchmark import log
    from salus.lab.report.build import build_report

    build_report(asked.folder, log)
