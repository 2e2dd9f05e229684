"""`salus saliency-benchmark`: judge saliency methods on data sets with masks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from salus.cli import shared_options
from salus.cli.output import log


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "saliency-benchmark",
        help="judge saliency methods on data sets with masks",
        description="Fit every method on the training part of each fold, make maps of its test part, score each map "
        "and write the report. Patients and near-duplicates are never split. The report shows the images.",
        epilog="example: salus saliency-benchmark BUSBRA BUSI --methods prior,regions,learned -o RUN",
    )
    p.add_argument("data", nargs="*", type=Path, metavar="DATA", help="data sets' folders")
    shared_options.add_run_folder(p)
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
    shared_options.add_mask_values(p, with_predictions=False)
    shared_options.add_skip_bad(p)
    shared_options.add_backend(p, "Keras's, for learned methods")
    p.set_defaults(run=run, parser=p)


def run(args: argparse.Namespace) -> None:
    """Start or resume a run, then write its report."""
    from salus.errors import SalusError
    from salus.lab.saliency.benchmark import resume, start
    from salus.lab.saliency.config import SaliencyBenchmarkConfig
    from salus.lab.training.backend import use_backend

    if args.resume is not None:
        shared_options.refuse_settings_of_new_run(args, ("backend",))
    elif not args.data or args.output is None:
        raise SalusError("name data sets and a new folder (salus saliency-benchmark DATA -o RUN), or --resume RUN")
    run_folder = args.resume or args.output
    args.when_interrupted = shared_options.advise_to_resume("salus saliency-benchmark", run_folder)
    use_backend(args.backend)
    from salus.lab.report.saliency import build_saliency_report

    if args.resume:
        build_saliency_report(run_folder, resume(run_folder, log), log)
        return
    methods = tuple(dict.fromkeys(m for m in args.methods.split(",") if m))
    if not methods or args.size < 16 or args.folds < 2 or (args.limit is not None and args.limit < args.folds):
        raise SalusError(
            "name at least one of --methods, a --size of 16 or more, 2 or more --folds, --limit above them"
        )
    data = tuple(str(folder.absolute()) for folder in args.data)
    settings = {name: getattr(args, name) for name in ("folds", "size", "seed", "separate", "limit", "skip_bad")}
    settings["mask_values"] = shared_options.parse_mask_values(args.mask_values)[0]
    result = start(run_folder, SaliencyBenchmarkConfig(data, methods, **settings), log)
    build_saliency_report(run_folder, result, log)
