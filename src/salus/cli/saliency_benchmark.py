"""`salus saliency-benchmark`: judge saliency methods on data sets with masks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "saliency-benchmark",
        help="judge saliency methods on data sets with masks",
        description="Fit every method on the training part of each fold, make maps of its test part, score each map "
        "and write the report. Patients and near-duplicates are never split. The report shows the images.",
        epilog="example: salus saliency-benchmark BUSBRA BUSI --methods prior,regions,learned -o RUN",
    )
    p.add_argument("data", nargs="*", type=Path, metavar="DATA", help="data sets' folders")
    p.add_argument("-o", "--output", type=Path, metavar="RUN", help="a new folder for the result")
    p.add_argument("--resume", type=Path, metavar="RUN", help="continue an interrupted run; nothing finished is redone")
    p.add_argument(
        "--methods",
        default="prior,hybrid,anatomy,regions,learned",
        metavar="A,B,...",
        help="of prior, hybrid, anatomy, regions, learned, constant, file, package.module:factory "
        "(default: %(default)s)",
    )
    p.add_argument("--folds", type=int, default=5, metavar="K", help="(default: %(default)s)")
    p.add_argument("--size", type=int, default=128, metavar="PIXELS", help="of maps and scores (default: %(default)s)")
    p.add_argument("--seed", type=int, default=1, metavar="N", help="of the folds (default: %(default)s)")
    p.add_argument("--separate", action="store_true", help="fit on each data set alone (default: on all together)")
    p.add_argument("--limit", type=int, metavar="N", help="at most N images of each data set")
    p.add_argument("--skip-bad", action="store_true", help="leave out cases that cannot be read, naming each")
    p.add_argument("--backend", choices=("tensorflow", "jax", "torch"), help="Keras's, for learned methods")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Start or resume."""
    from salus.errors import SalusError
    from salus.lab.saliency.benchmark import resume, start
    from salus.lab.saliency.config import Asked
    from salus.lab.training.backend import use_backend

    if (asked.resume is None) == (not asked.data or asked.output is None):
        raise SalusError("name data sets and a new folder (salus saliency-benchmark DATA -o RUN), or --resume RUN")
    folder = asked.resume or asked.output
    asked.when_interrupted = f"interrupted; continue with: salus saliency-benchmark --resume {folder}"
    use_backend(asked.backend)
    from salus.lab.report.saliency import build_saliency_report

    if asked.resume:
        build_saliency_report(asked.resume, resume(asked.resume, log), log)
        return
    methods = tuple(dict.fromkeys(m for m in asked.methods.split(",") if m))
    if not methods or asked.size < 16 or asked.folds < 2 or (asked.limit is not None and asked.limit < asked.folds):
        raise SalusError(
            "name at least one of --methods, a --size of 16 or more, 2 or more --folds, --limit above them"
        )
    data = tuple(str(folder.absolute()) for folder in asked.data)
    more = {name: getattr(asked, name) for name in ("folds", "size", "seed", "separate", "limit", "skip_bad")}
    build_saliency_report(asked.output, start(asked.output, Asked(data, methods, **more), log), log)


def log(line: str) -> None:
    """A line of progress, at once even where the output goes to a file."""
    print(line, flush=True)
