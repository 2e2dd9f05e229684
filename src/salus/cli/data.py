"""`salus data`: check a data set, convert it to another layout, split it into folds, make phantoms."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.cli.output import progress_counter
from salus.cli.shared_options import add_layout

if TYPE_CHECKING:
    from salus.data.convert import Conversion


def add_parser(commands: Any) -> None:
    """Add the options of every command."""
    parser = commands.add_parser("data", help="check or convert a data set, deal folds, make phantoms")
    parts = parser.add_subparsers(dest="part", required=True, metavar="COMMAND")

    check = parts.add_parser(
        "check",
        help="what is in a folder, and what is wrong with it",
        description="Counts, sizes, unreadable or mismatched files, odd masks, near-duplicates, suspected marks. "
        "Exit code 0: usable; 1: errors; with --strict 1 for warnings too.",
    )
    check.add_argument("folder", type=Path, metavar="FOLDER", help="of the data set")
    add_layout(check)
    check.add_argument("--json", action="store_true", help="print everything as JSON")
    check.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    check.set_defaults(run=run_check)

    convert = parts.add_parser(
        "convert",
        help="write a data set in another layout",
        description="Convert a data set to the layout of an annotation tool, a training framework or a paper. Every "
        "mask stays the same to the pixel, which is checked by reading the new folder. Images stay the files they are, "
        "or become 8-bit grey PNG where the layout wants that. What the layout cannot hold is named.",
        epilog="layouts: manifest, published, pairs, busi, busbra, colours, labelme, coco, cvat, nnunet, monai, "
        "dicom-seg. example: salus data convert annotated/ nnUNet_raw/Dataset001_Breast --to nnunet",
    )
    convert.add_argument("folder", type=Path, metavar="SRC", help="of the data set")
    convert.add_argument("destination", type=Path, metavar="DST", help="a new folder")
    convert.add_argument("--to", required=True, metavar="LAYOUT", help="the layout to write")
    add_layout(convert, "SRC")
    convert.set_defaults(run=run_convert)

    folds = parts.add_parser(
        "folds",
        help="deal a data set into folds and save them",
        description="Folds grouped by patient, where unknown by near-duplicate cluster, even in label and lesion size.",
    )
    folds.add_argument("folder", type=Path, metavar="FOLDER", help="of the data set")
    folds.add_argument(
        "-o", "--out", "--output", dest="output", type=Path, required=True, metavar="JSON", help="the file to write"
    )
    folds.add_argument("-k", "--folds", type=int, default=4, metavar="K", help="how many (default: %(default)s)")
    folds.add_argument(
        "--rule",
        choices=("grouped", "by-image", "official"),
        default="grouped",
        help="by patient or near-duplicate, by image as the literature does, or the set's own (default: %(default)s)",
    )
    folds.add_argument("--seed", type=int, default=1, metavar="S", help="of the deal (default: %(default)s)")
    add_layout(folds)
    folds.set_defaults(run=run_folds)

    phantom = parts.add_parser(
        "phantom",
        help="make synthetic ultrasound images with truth masks",
        description="Synthetic B-mode images in the published layout (images/, masks/, manifest.csv), or in another.",
    )
    phantom.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    phantom.add_argument("-n", type=int, default=40, metavar="N", help="how many (default: %(default)s)")
    phantom.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the same gives the same (default: %(default)s)"
    )
    phantom.add_argument("--normal", type=float, default=0.15, help="share without a tumour (default: %(default)s)")
    phantom.add_argument("--marks", type=float, default=0.0, help="share with calipers and text (default: %(default)s)")
    phantom.add_argument(
        "--layout", default="published", metavar="NAME", help="as of salus data convert --to (default: %(default)s)"
    )
    phantom.set_defaults(run=run_phantom)


def run_check(args: argparse.Namespace) -> int:
    """Check a data set and print the report; return 1 where it has errors (with --strict: warnings)."""
    from dataclasses import asdict

    from salus.data.check import check_data_set
    from salus.data.check_report import exit_code, render_table
    from salus.data.layouts import read_data_set

    report = check_data_set(read_data_set(args.folder, args.layout), progress=progress_counter("checked"))
    print(json.dumps(asdict(report), indent=1, default=str) if args.json else render_table(report))
    return exit_code(report, strict=args.strict)


def run_convert(args: argparse.Namespace) -> None:
    """Write a data set in another layout."""
    from salus.data.convert import convert_data_set
    from salus.data.layouts import read_data_set

    data = read_data_set(args.folder, args.layout)
    _print_conversion(convert_data_set(data, args.destination, args.to, progress=progress_counter("converted")))
    for remark in data.remarks:
        print(f"note: {remark}")


def _print_conversion(conversion: Conversion) -> None:
    """Print what was written, what was renamed and what was left out."""
    data = conversion.data
    print(f"{data.root}: {len(data)} images, {len(data.labelled)} with a truth, in the layout {data.layout}")
    for old, new in list(conversion.renamed.items())[:3]:
        print(f"renamed: {old} is now {new}")
    if len(conversion.renamed) > 3:
        print(f"renamed: {len(conversion.renamed) - 3} more")
    for line in conversion.lost:
        print(f"left out: {line}")


def run_folds(args: argparse.Namespace) -> None:
    """Split a data set into folds and save them."""
    from salus.data.folds import split_into_folds
    from salus.data.layouts import read_data_set
    from salus.data.prepare import prepare

    data = read_data_set(args.folder, args.layout)
    pairs = prepare(data.labelled, progress=progress_counter("read"))
    folds = split_into_folds(data, pairs, args.rule, args.folds, args.seed)
    folds.save(args.output)
    sizes = ", ".join(str(len(folds.split(number)[1])) for number in folds.numbers)
    print(f"{args.output}: {len(folds.numbers)} folds ({folds.rule}) of {sizes} images")
    if leaks := folds.leaks():
        print(f"LEAKAGE: {len(leaks)} patients or near-duplicate clusters sit in more than one fold")


def run_phantom(args: argparse.Namespace) -> None:
    """Write phantoms into a new folder."""
    from tempfile import TemporaryDirectory

    from salus.data.convert import WRITERS, convert_data_set
    from salus.data.layouts import read_data_set
    from salus.data.phantom.make import write_phantoms
    from salus.errors import SalusError

    options = {"normal": args.normal, "marks": args.marks, "progress": progress_counter("made")}
    if args.layout == "published":
        images = write_phantoms(args.folder, args.n, args.seed, **options)
        print(f"{args.folder}: {len(images)} phantoms with masks")
        return
    if args.layout not in WRITERS:
        raise SalusError(f"cannot write the layout {args.layout!r}; choose one of {', '.join(WRITERS)}")
    with TemporaryDirectory() as folder:
        write_phantoms(Path(folder) / "phantoms", args.n, args.seed, **options)
        _print_conversion(convert_data_set(read_data_set(Path(folder) / "phantoms"), args.folder, args.layout))
