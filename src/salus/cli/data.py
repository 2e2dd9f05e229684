"""`salus data`: check a data set, deal its folds, make phantoms."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the commands' options."""
    top = commands.add_parser("data", help="check a data set, deal folds, make phantoms")
    parts = top.add_subparsers(dest="part", required=True, metavar="COMMAND")

    p = parts.add_parser(
        "check",
        help="what is in a folder, and what is wrong with it",
        description="Counts, sizes, unreadable or mismatched files, odd masks, near-duplicates, suspected marks. "
        "Exit code 0: usable; 1: errors; with --strict 1 for warnings too.",
    )
    p.add_argument("folder", type=Path, metavar="FOLDER", help="of the data set")
    p.add_argument("--layout", metavar="NAME", help="how the folder is laid out (default: detected)")
    p.add_argument("--json", action="store_true", help="print everything as JSON")
    p.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    p.set_defaults(run=check)

    p = parts.add_parser(
        "folds",
        help="deal a data set into folds and save them",
        description="Folds grouped by patient, where unknown by near-duplicate cluster, even in label and lesion size.",
    )
    p.add_argument("folder", type=Path, metavar="FOLDER", help="of the data set")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="JSON", help="the file to write")
    p.add_argument("-k", "--folds", type=int, default=4, metavar="K", help="how many (default: %(default)s)")
    p.add_argument(
        "--rule",
        choices=("grouped", "by-image", "official"),
        default="grouped",
        help="by patient or near-duplicate, by image as the literature does, or the set's own (default: %(default)s)",
    )
    p.add_argument("--seed", type=int, default=1, metavar="S", help="of the deal (default: %(default)s)")
    p.add_argument("--layout", metavar="NAME", help="how the folder is laid out (default: detected)")
    p.set_defaults(run=folds)

    p = parts.add_parser(
        "phantom",
        help="make synthetic ultrasound images with truth masks",
        description="Synthetic B-mode images in the published layout (images/, masks/, manifest.csv).",
    )
    p.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    p.add_argument("-n", type=int, default=40, metavar="N", help="how many (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, metavar="S", help="the same gives the same (default: %(default)s)")
    p.add_argument("--normal", type=float, default=0.15, help="share without a tumour (default: %(default)s)")
    p.add_argument("--marks", type=float, default=0.0, help="share with calipers and text (default: %(default)s)")
    p.set_defaults(run=phantom)


def check(asked: argparse.Namespace) -> int:
    """Check and print; the exit code is the verdict."""
    from dataclasses import asdict

    from salus.data.check import check, exit_code, render_table
    from salus.data.layouts import read_data_set

    found = check(read_data_set(asked.folder, asked.layout), progress=_bar("checked"))
    print(json.dumps(asdict(found), indent=1, default=str) if asked.json else render_table(found))
    return exit_code(found, strict=asked.strict)


def folds(asked: argparse.Namespace) -> None:
    """Deal and save."""
    from salus.data.layouts import read_data_set
    from salus.data.prepare import prepare
    from salus.data.split import deal_folds

    data = read_data_set(asked.folder, asked.layout)
    pairs = prepare(data.labelled, progress=_bar("read"))
    dealt = deal_folds(data, pairs, asked.rule, asked.folds, asked.seed)
    dealt.save(asked.output)
    sizes = ", ".join(str(len(dealt.split(number)[1])) for number in dealt.numbers)
    print(f"{asked.output}: {len(dealt.numbers)} folds ({dealt.rule}) of {sizes} images")
    if dealt.leaks():
        print(f"LEAKAGE: {len(dealt.leaks())} patients or near-duplicate clusters sit in more than one fold")


def phantom(asked: argparse.Namespace) -> None:
    """Make and say where."""
    from salus.data.phantom.make import write_phantoms

    made = write_phantoms(
        asked.folder, asked.n, asked.seed, normal=asked.normal, marks=asked.marks, progress=_bar("made")
    )
    print(f"{asked.folder}: {len(made)} phantoms with masks")


def _bar(verb: str) -> Any:
    """A counter on one line, where a person watches."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        print(f"\r{verb} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show
