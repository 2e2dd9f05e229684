"""`salus evaluate`: score a folder of masks, or a network, against a data set's truth."""

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
        help="score a folder of masks, or a network, against a data set's truth",
        description="Score masks or probability maps (PNG, named as the images), or with --network what a network "
        "outlines, by the benchmark's own code. Exit code 3: some files could not be scored; each is named.",
        usage="salus evaluate [options] PREDICTIONS TRUTH\n       salus evaluate [options] --network FILE TRUTH",
        epilog="examples: salus evaluate my-masks DATA -o scores.csv; salus evaluate --network shipped DATA",
    )
    p.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="PREDICTIONS, a folder of masks or probability maps (not with --network), and TRUTH, the data set's",
    )
    p.add_argument("--network", metavar="FILE", help="outline the images with an .onnx file, or with the shipped one")
    p.add_argument("-o", "--output", type=Path, metavar="CSV", help="scores of each image")
    p.add_argument("--layout", metavar="NAME", help="how TRUTH is laid out (default: detected)")
    p.add_argument("--json", action="store_true", help="print the summary as JSON")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Score; 3 where files could not be scored."""
    from salus.errors import SalusError
    from salus.evaluation import evaluate, evaluate_network, render_summary, summarise, write_rows

    if len(asked.folders) != (1 if asked.network else 2):
        raise SalusError("name the folders: salus evaluate PREDICTIONS TRUTH, or salus evaluate --network FILE TRUTH")
    if asked.network:
        rows, failures = evaluate_network(asked.network, asked.folders[0], layout=asked.layout)
    else:
        rows, failures = evaluate(*asked.folders, layout=asked.layout)
    for failure in failures:
        print(f"salus: {failure}", file=sys.stderr)
    if asked.output:
        write_rows(asked.output, rows)
    if rows and not asked.network and not any(row["area_predicted"] for row in rows):
        print("salus: every prediction is empty; a probability below one half is no lesion", file=sys.stderr)
    summary = summarise(rows)
    print(json.dumps(summary, indent=1) if asked.json else render_summary(summary))
    return 3 if failures else 0
