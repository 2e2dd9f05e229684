"""`salus evaluate`: score a folder of masks against a data set's truth."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "evaluate",
        help="score a folder of masks against a data set's truth",
        description="Score masks or probability maps (PNG, named as the images) by the benchmark's own code.",
        epilog="example: salus evaluate my-masks DATA -o scores.csv",
    )
    p.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="a folder of masks or probability maps")
    p.add_argument("truth", type=Path, metavar="TRUTH", help="the data set's folder")
    p.add_argument("-o", "--output", type=Path, metavar="CSV", help="scores of each image")
    p.add_argument("--layout", metavar="NAME", help="how TRUTH is laid out (default: detected)")
    p.add_argument("--json", action="store_true", help="print the summary as JSON")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Score; 3 where files could not be scored."""
    from salus.evaluate import evaluate, render_summary, summarise, write_rows

    rows, failures = evaluate(asked.predictions, asked.truth, layout=asked.layout)
    for failure in failures:
        print(f"salus: {failure}", file=sys.stderr)
    if asked.output:
        write_rows(asked.output, rows)
    if rows and not any(row["area_predicted"] for row in rows):
        print("salus: every prediction is empty; a probability below one half is no lesion", file=sys.stderr)
    summary = summarise(rows)
    print(json.dumps(summary, indent=1) if asked.json else render_summary(summary))
    return 3 if failures else 0
