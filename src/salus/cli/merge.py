"""The command `salus merge`: bring the parts of a divided `salus segment` together."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from salus.cli.output import warn


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "merge",
        help="bring the parts of a salus segment --num-parts together",
        description="Write OUT/lesions.csv, OUT/lesions.json and what else tells of all images, once every part is "
        "through. The images' own files are there already.",
        epilog="example: for i in 1 2 3; do salus segment scans/ -o OUT --num-parts 3 --part $i; done; salus merge OUT",
    )
    parser.add_argument("folder", type=Path, metavar="OUT", help="the folder that the parts wrote to")
    parser.add_argument("--preview", action="store_true", help="contact sheets of the overlays")
    parser.add_argument("--coco", action="store_true", help="coco.json of all images")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; return 3 where files failed, 0 else."""
    from salus.pipeline.merge import merge
    from salus.pipeline.options import DEFAULT_OUTPUTS, RunOptions
    from salus.write.tables import FAILED

    outputs = (*DEFAULT_OUTPUTS, "coco") if args.coco else DEFAULT_OUTPUTS
    records = merge(args.folder, RunOptions(outputs, preview=args.preview), warn)
    failed = sum(record.result == FAILED for record in records)
    print(f"{args.folder}: {len(records)} images" + f", {failed} failed" * (failed > 0))
    return 3 if failed else 0
