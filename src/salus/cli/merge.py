"""`salus merge`: bring the parts of a shared-out `salus segment` together."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "merge",
        help="bring the parts of a salus segment --num-parts together",
        description="Write OUT/lesions.csv, OUT/lesions.json and what else tells of all images, once every part is "
        "through. The images' own files are there already.",
        epilog="example: for i in 1 2 3; do salus segment scans/ -o OUT --num-parts 3 --part $i; done; salus merge OUT",
    )
    p.add_argument("folder", type=Path, metavar="OUT", help="the folder that the parts wrote to")
    p.add_argument("--preview", action="store_true", help="contact sheets of the overlays")
    p.add_argument("--coco", action="store_true", help="coco.json of all images")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Merge; 3 where files failed."""
    from salus.pipeline.merge import merge
    from salus.pipeline.options import USUAL, Wanted
    from salus.write.tables import FAILED

    outputs = (*USUAL, "coco") if asked.coco else USUAL
    records = merge(
        asked.folder, Wanted(outputs, preview=asked.preview), lambda line: print(f"salus: {line}", file=sys.stderr)
    )
    failed = sum(record.result == FAILED for record in records)
    print(f"{asked.folder}: {len(records)} images" + f", {failed} failed" * (failed > 0))
    return 3 if failed else 0
