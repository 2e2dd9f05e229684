"""`salus evaluate`: score a folder of masks, or a network, against a data set's truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from salus.cli.output import warn
from salus.cli.progress import Progress
from salus.cli.shared_options import add_device, add_layout, add_mask_values, add_precision, parse_mask_values


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "evaluate",
        help="score a folder of masks, or a network, against a data set's truth",
        description="Score masks or probability maps (pictures, NIfTI or NRRD, named as the images), or with --network "
        "what a network outlines, by the benchmark's own code. Exit code 3: some files could not be scored; each is "
        "named.",
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
    add_device(parser)
    add_precision(parser)
    parser.add_argument("-o", "--out", "--output", dest="output", type=Path, metavar="CSV", help="scores of each image")
    add_layout(parser, "TRUTH")
    add_mask_values(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score predictions and print the summary; return 3 where files could not be scored."""
    from salus.atomic import write_rows
    from salus.errors import SalusError
    from salus.evaluation.scoring import evaluate, evaluate_network
    from salus.evaluation.summary import render_summary, summarise_scores

    if len(args.folders) != (1 if args.network else 2):
        raise SalusError("name the folders: salus evaluate PREDICTIONS TRUTH, or salus evaluate --network FILE TRUTH")
    if args.output and args.output.is_dir():
        raise SalusError(f"{args.output}: is a folder; name a file for the scores")
    if args.output and not args.output.absolute().parent.is_dir():
        raise SalusError(f"{args.output.parent}: no such folder for the scores; make it first")
    truth_values, mask_values = parse_mask_values(args.mask_values)
    remarks: list[str] = []
    warnings: list[str] = []
    options: dict[str, Any] = {"layout": args.layout, "truth_values": truth_values}
    options |= {"remarks": remarks, "warnings": warnings, "on_progress": Progress("images", quiet=args.quiet)}
    if args.network:
        rows, failures = evaluate_network(
            args.network, args.folders[0], device=args.device, precision=args.precision, **options
        )
    else:
        rows, failures = evaluate(*args.folders, mask_values=mask_values, **options)
    for line in (*warnings, *failures):
        warn(line)
    if rows and not args.network and not any(row["area_predicted"] for row in rows):
        warn("every prediction is empty; a probability below one half is no lesion (--mask-values reads otherwise)")
    summary = summarise_scores(rows)
    if args.json:
        print(json.dumps(summary | {"read": remarks}, indent=1))
    else:
        print("\n".join([render_summary(summary), *remarks]))
    if args.output:
        write_rows(args.output, rows)
    return 3 if failures else 0
