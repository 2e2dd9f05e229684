"""`salus evaluate`: score a folder of masks, or a network, against a data set's truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from salus.cli.output import warn
from salus.cli.shared_options import add_layout


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "evaluate",
        help="score a folder of masks, or a network, against a data set's truth",
        description="Score masks or probability maps (PNG, named as the images), or with --network what a network "
        "outlines, by the benchmark's own code. Exit code 3: some files could not be scored; each is named.",
        usage="salus evaluate [options] PREDICTIONS TRUTH\n       salus evaluate [options] --network FILE TRUTH",
        epilog="examples: salus evaluate my-masks DATA -o scores.csv; salus evaluate --network shipped DATA",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="PREDICTIONS, a folder of masks or probability maps (not with --network), and TRUTH, the data set's",
    )
    parser.add_argument(
        "--network", metavar="FILE", help="outline the images with an .onnx file, or with the shipped one"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="scores of each image")
    add_layout(parser, "TRUTH")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score predictions and print the summary; return 3 where files could not be scored."""
    from salus.atomic import write_rows
    from salus.errors import SalusError
    from salus.evaluation.scoring import evaluate, evaluate_network
    from salus.evaluation.summary import render_summary, summarise_scores

    if len(args.folders) != (1 if args.network else 2):
        raise SalusError("name the folders: salus evaluate PREDICTIONS TRUTH, or salus evaluate --network FILE TRUTH")
    if args.network:
        rows, failures = evaluate_network(args.network, args.folders[0], layout=args.layout)
    else:
        rows, failures = evaluate(*args.folders, layout=args.layout)
    for failure in failures:
        warn(failure)
    if args.output:
        write_rows(args.output, rows)
    if rows and not args.network and not any(row["area_predicted"] for row in rows):
        warn("every prediction is empty; a probability below one half is no lesion")
    summary = summarise_scores(rows)
    print(json.dumps(summary, indent=1) if args.json else render_summary(summary))
    return 3 if failures else 0
