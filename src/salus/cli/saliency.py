"""`salus saliency`: write saliency maps of images."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from salus.cli import shared_options
from salus.cli.output import progress_counter, warn


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "saliency",
        help="write saliency maps of images",
        description="Estimate where a tumour is: an 8-bit PNG map, NAME.png, for each image. Maps that exist are kept, "
        "so the same command continues what was interrupted. Exit code 3: some files failed; each is named.",
        epilog="example: salus saliency DATA/images -o DATA/saliency --preview",
    )
    p.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="an image, a folder of images, or a glob")
    shared_options.add_search(p)
    p.add_argument(
        "-o", "--out", "--output", dest="output", type=Path, required=True, metavar="FOLDER", help="where the maps go"
    )
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
    shared_options.add_device(p)
    p.add_argument("--maps-from", type=Path, metavar="FOLDER", help="take the equal-named map from a folder")
    p.add_argument("--overwrite", action="store_true", help="make again what exists")
    p.add_argument("--json", action="store_true", help="print what was done with each image as JSON")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the maps; return 3 where files failed."""
    from salus.errors import SalusError
    from salus.read.formats import may_hold_frames
    from salus.read.frames import open_frames
    from salus.saliency.batch import SaliencyOptions, plan_jobs, write_map
    from salus.saliency.estimate import FILES, check_method

    method = args.method or (FILES if args.maps_from else "learned")
    if (method == FILES) != (args.maps_from is not None):
        raise SalusError("--method file and --maps-from FOLDER belong together; give both, or neither")
    options = SaliencyOptions(method, args.gate, args.one_contour, args.maps_from, args.device)
    jobs = plan_jobs(
        args.inputs, args.output, options, previews=args.preview, overwrite=args.overwrite,
        recursive=args.recursive, verbose=args.verbose, on_warning=warn,
    )  # fmt: skip
    check_method(method, args.gate, args.device)  # before any work
    args.output.mkdir(parents=True, exist_ok=True)
    args.when_interrupted = "interrupted; the same command continues where it stopped"

    rows, progress = [], progress_counter("maps") if len(jobs) > 1 else None
    for number, job in enumerate(jobs, 1):
        row: dict[str, Any] = {"image": str(job.image), "map": str(job.map), "method": method}
        if job.done and not args.overwrite:
            row["status"] = "kept"
        else:
            try:
                row |= {"confidence": write_map(job, options).confidence, "status": "made"}
                if may_hold_frames(job.image) and (count := open_frames(job.image).count) > 1:
                    warn(f"{job.image}: holds {count} frames; the map is of the first")
            except SalusError as error:
                warn(str(error))
                row |= {"map": None, "status": "failed", "error": str(error)}
        rows.append(row)
        if progress:
            progress(number, len(jobs))
    made, kept, failed = (sum(row["status"] == status for row in rows) for status in ("made", "kept", "failed"))
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        line = f"{args.output}: {made} {'map' if made == 1 else 'maps'} made by {method}"
        line += f", {kept} there already (--overwrite makes them again)" if kept else ""
        print(line + (f", {failed} failed" if failed else ""))
    return 3 if failed else 0
