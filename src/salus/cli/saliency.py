"""`salus saliency`: write saliency maps of images."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "saliency",
        help="write saliency maps of images",
        description="Estimate where a tumour is: an 8-bit PNG map, NAME.png, for each image. Maps that exist are kept, "
        "so the same command continues what was interrupted. Exit code 3: some files failed; each is named.",
        epilog="example: salus saliency DATA/images -o DATA/saliency --preview",
    )
    p.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="an image, or a folder of images")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="where the maps go")
    p.add_argument(
        "--method",
        choices=("prior", "hybrid", "anatomy", "regions", "learned", "file"),
        help="who estimates (default: learned; with --maps-from: file)",
    )
    p.add_argument("--gate", action="store_true", help="move maps of low confidence toward the location prior")
    p.add_argument(
        "--one-contour",
        nargs="?",
        const="hard",
        choices=("hard", "soft"),
        help="keep the strongest region alone, or (soft) weigh the others down",
    )
    p.add_argument("--preview", action="store_true", help="a picture of each in FOLDER/previews/NAME_preview.jpg")
    p.add_argument("--maps-from", type=Path, metavar="FOLDER", help="take the equal-named map from a folder")
    p.add_argument("--overwrite", action="store_true", help="make again what exists")
    p.add_argument("--json", action="store_true", help="print what was done with each image as JSON")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Write maps; 3 where files failed."""
    from salus.errors import SalusError
    from salus.saliency.batch import Settings, make, plan
    from salus.saliency.estimate import FILES, require

    method = asked.method or (FILES if asked.maps_from else "learned")
    if (method == FILES) != (asked.maps_from is not None):
        raise SalusError("--method file and --maps-from FOLDER belong together; give both, or neither")
    settings = Settings(method, asked.gate, asked.one_contour, asked.maps_from)
    jobs = plan(asked.inputs, asked.output, settings, previews=asked.preview, overwrite=asked.overwrite)
    require(method, asked.gate)  # what is missing is told before work starts
    asked.output.mkdir(parents=True, exist_ok=True)
    asked.when_interrupted = "interrupted; the same command continues where it stopped"

    rows, watched = [], sys.stderr.isatty() and len(jobs) > 1
    for number, job in enumerate(jobs, 1):
        row: dict[str, Any] = {"image": str(job.image), "map": str(job.map), "method": method}
        if job.done and not asked.overwrite:
            row["status"] = "kept"
        else:
            try:
                row |= {"confidence": make(job, settings).confidence, "status": "made"}
            except SalusError as error:
                print("\r" * watched + f"salus: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
                row |= {"map": None, "status": "failed", "error": str(error)}
        rows.append(row)
        if watched:
            print(f"\rmaps {number}/{len(jobs)}", end="\n" * (number == len(jobs)), file=sys.stderr, flush=True)
    made, kept, failed = (sum(row["status"] == status for row in rows) for status in ("made", "kept", "failed"))
    if asked.json:
        print(json.dumps(rows, indent=1))
    else:
        also = f", {kept} there already (--overwrite makes them again)" * (kept > 0) + f", {failed} failed" * (
            failed > 0
        )
        print(f"{asked.output}: {made} {'map' if made == 1 else 'maps'} made by {method}{also}")
    return 3 if failed else 0
