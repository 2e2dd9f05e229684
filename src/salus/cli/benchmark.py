"""`salus benchmark`: cross-validate networks on a data set and write the report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.cli import shared_options
from salus.cli.output import log

if TYPE_CHECKING:
    from salus.lab.benchmark.config import BenchmarkConfig

BESIDE_RESUME = ("backend", "threads", "engine", "address")
"""What counts beside --resume; the rest is that of the run."""


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "benchmark",
        help="cross-validate networks on a data set and write the report",
        description="Train and test every network on the same folds and seeds; write scores, curves and a report.",
        epilog="example: salus benchmark DATA --networks unet,sa-unet --folds 4 -o RUN",
    )
    parser.add_argument("data", nargs="?", type=Path, metavar="DATA", help="the data set's folder")
    shared_options.add_run_folder(parser)
    parser.add_argument(
        "--networks",
        default="unet,sa-unet",
        metavar="A,B,...",
        help="unet, sa-unet, sa-unet-figure, sa-unet-mended, unet-wide, unet-two-channels, or your own as "
        "package.module:factory; with a saliency source of its own as NETWORK@SOURCE (default: %(default)s; '' for "
        "none)",
    )
    parser.add_argument(
        "--predictions",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="masks made elsewhere join the tables; once for each",
    )
    parser.add_argument(
        "--saliency",
        default="auto",
        metavar="SOURCE",
        help="of networks that name none: file (maps in the data set), prior, hybrid, anatomy, regions, learned, "
        "constant, truth (the ceiling), points (a simulated click in each lesion) or package.module:factory, and what "
        "is done to its maps: +gate, +one-contour, "
        "+soft-contour, +shuffled (default: file where every image has one, else prior)",
    )
    shared_options.add_layout(parser)
    shared_options.add_mask_values(parser)
    parser.add_argument(
        "--preset", default="published", help="protocol: published, literature, demo (default: %(default)s)"
    )
    settings = parser.add_argument_group("settings that differ from the preset")
    settings.add_argument("--folds", type=int, metavar="K", help="how many")
    settings.add_argument(
        "--fold-rule", choices=("grouped", "by-image", "official"), help="who belongs together; see data folds"
    )
    settings.add_argument("--folds-file", type=Path, metavar="JSON", help="folds saved earlier, e.g. RUN/folds.json")
    settings.add_argument("--size", type=int, metavar="PIXELS", help="height and width of the networks' input")
    settings.add_argument("--epochs", type=int, metavar="N", help="at most")
    settings.add_argument("--patience", type=int, metavar="N", help="epochs without a better validation loss")
    settings.add_argument("--batch", type=int, metavar="N", help="images a step")
    settings.add_argument("--learning-rate", type=float, metavar="X", help="of Adam")
    settings.add_argument("--seed", type=int, metavar="N", help="of weights, order and folds")
    settings.add_argument(
        "--precision", choices=("auto", "float32", "mixed_bfloat16"), help="auto: bfloat16 where it is fast"
    )
    settings.add_argument(
        "--restore-best", action=argparse.BooleanOptionalAction, default=None, help="test the best weights"
    )
    parser.add_argument(
        "--allow-leakage", action="store_true", help="go on where patients or duplicates sit on both sides"
    )
    shared_options.add_skip_bad(parser)
    shared_options.add_backend(parser)
    shared_options.add_training_engine(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> None:
    """Start a run, or resume one."""
    from salus.errors import SalusError
    from salus.lab.benchmark.config import BenchmarkConfig
    from salus.lab.training.backend import use_backend

    if args.resume is not None:
        shared_options.refuse_settings_of_new_run(args, BESIDE_RESUME)
    elif args.data is None or args.output is None:
        raise SalusError("name a data set and a new folder (salus benchmark DATA -o RUN), or --resume RUN")
    shared_options.check_training_engine(args)
    folder = args.resume or args.output
    args.when_interrupted = shared_options.advise_to_resume("salus benchmark", folder)
    if args.resume:
        use_backend(args.backend or BenchmarkConfig.load(args.resume).backend)
    else:
        config = _new_config(args)
    from salus.lab.benchmark.run import resume, start
    from salus.lab.report.build import build_report

    execution = {name: getattr(args, name) for name in ("threads", "engine", "address")}
    if args.resume:
        resume(folder, log, **execution)
    else:
        start(folder, config, log, folds_file=args.folds_file, **execution)
    build_report(folder, log)


def _new_config(args: argparse.Namespace) -> BenchmarkConfig:
    """Turn the options of a new run into its configuration, and set up the backend."""
    from salus.errors import SalusError
    from salus.lab.benchmark.config import BenchmarkConfig
    from salus.lab.benchmark.protocol import PRESETS
    from salus.lab.training.backend import use_backend

    if args.preset not in PRESETS:
        raise SalusError(f"unknown preset {args.preset!r}; choose one of {', '.join(PRESETS)}")
    protocol = PRESETS[args.preset].change(
        **{name: getattr(args, name) for name in vars(PRESETS["published"]) if hasattr(args, name)}
    )
    truth_values, prediction_values = shared_options.parse_mask_values(args.mask_values)
    return BenchmarkConfig(
        data=str(args.data.absolute()),  # a run may be resumed from elsewhere
        layout=args.layout,
        networks=tuple(n for n in args.networks.split(",") if n),
        saliency=args.saliency,
        predictions=_parse_predictions(args.predictions),
        protocol=protocol.change(fold_rule="file") if args.folds_file else protocol,
        allow_leakage=args.allow_leakage,
        skip_bad=args.skip_bad,
        mask_values=truth_values,
        prediction_values=prediction_values,
        backend=use_backend(args.backend),
    )


def _parse_predictions(items: list[str]) -> dict[str, str]:
    """Parse every NAME=FOLDER of --predictions into {name: absolute folder}."""
    from salus.errors import SalusError

    folders = {}
    for item in items:
        name, equals, folder = item.partition("=")
        if not (name and equals and folder) or "/" in name:
            raise SalusError(f"--predictions {item}: write it as NAME=FOLDER")
        if name in folders:
            raise SalusError(f"--predictions {item}: {name} is named twice; give each folder a name of its own")
        folders[name] = str(Path(folder).absolute())
    return folders
