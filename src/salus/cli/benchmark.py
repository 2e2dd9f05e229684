"""`salus benchmark`: cross-validate networks on a data set and write the report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.cli import distributed_options as together

if TYPE_CHECKING:
    from salus.lab.training.process_group import Crew


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "benchmark",
        help="cross-validate networks on a data set and write the report",
        description="Train and test every network on the same folds and seeds; write scores, curves and a report.",
        epilog="example: salus benchmark DATA --networks unet,sa-unet --folds 4 -o RUN",
    )
    p.add_argument("data", nargs="?", type=Path, metavar="DATA", help="the data set's folder")
    p.add_argument("-o", "--output", type=Path, metavar="RUN", help="a new folder for the result")
    p.add_argument("--resume", type=Path, metavar="RUN", help="continue an interrupted run; nothing finished is redone")
    p.add_argument(
        "--networks",
        default="unet,sa-unet",
        metavar="A,B,...",
        help="unet, sa-unet, sa-unet-figure, sa-unet-mended, unet-wide, unet-two-channels, or your own as "
        "package.module:factory; with a saliency source of its own as NETWORK@SOURCE (default: %(default)s; '' for "
        "none)",
    )
    p.add_argument(
        "--predictions",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="masks made elsewhere join the tables; once for each",
    )
    p.add_argument(
        "--saliency",
        default="auto",
        metavar="SOURCE",
        help="of networks that name none: file (maps in the data set), prior, hybrid, anatomy, regions, learned, "
        "constant, truth (the ceiling) or package.module:factory, and what is done to its maps: +gate, +one-contour, "
        "+soft-contour, +shuffled (default: file where every image has one, else prior)",
    )
    p.add_argument("--layout", metavar="NAME", help="how the folder is laid out (default: detected)")
    p.add_argument("--preset", default="published", help="protocol: published, literature, demo (default: %(default)s)")
    s = p.add_argument_group("settings that differ from the preset")
    s.add_argument("--folds", type=int, metavar="K", help="how many")
    s.add_argument(
        "--fold-rule", choices=("grouped", "by-image", "official"), help="who belongs together; see data folds"
    )
    s.add_argument("--folds-file", type=Path, metavar="JSON", help="folds saved earlier, e.g. RUN/folds.json")
    s.add_argument("--size", type=int, metavar="PIXELS", help="height and width of the networks' input")
    s.add_argument("--epochs", type=int, metavar="N", help="at most")
    s.add_argument("--patience", type=int, metavar="N", help="epochs without a better validation loss")
    s.add_argument("--batch", type=int, metavar="N", help="images a step")
    s.add_argument("--learning-rate", type=float, metavar="X", help="of Adam")
    s.add_argument("--seed", type=int, metavar="N", help="of weights, order and folds")
    s.add_argument("--precision", choices=("auto", "float32", "mixed_bfloat16"), help="auto: bfloat16 where it is fast")
    s.add_argument("--restore-best", action=argparse.BooleanOptionalAction, default=None, help="test the best weights")
    p.add_argument("--allow-leakage", action="store_true", help="go on where patients or duplicates sit on both sides")
    p.add_argument("--skip-bad", action="store_true", help="leave out cases that cannot be read, naming each")
    p.add_argument("--backend", choices=("tensorflow", "jax", "torch"), help="Keras's (default: jax with a GPU)")
    p.add_argument("--threads", type=int, metavar="N", help="processor threads (default: all)")
    together.add(p)
    p.add_argument("--engine", choices=("local", "ray"), default="local", help="where networks are trained: one after "
        "another here, or spread over a Ray cluster; RUN and DATA must lie where all its machines see them "
        "(default: %(default)s)")  # fmt: skip
    p.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: RAY_ADDRESS, or Ray is started "
        "on this machine alone)")  # fmt: skip
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Start or resume."""
    from salus.errors import SalusError
    from salus.lab.benchmark.config import Settings
    from salus.lab.benchmark.protocol import PRESETS
    from salus.lab.training.backend import use_backend

    if (asked.resume is None) == (asked.data is None or asked.output is None):
        raise SalusError("name a data set and a new folder (salus benchmark DATA -o RUN), or --resume RUN")
    if asked.address and asked.engine != "ray":
        raise SalusError("--address is that of a Ray cluster; give --engine ray as well")
    if asked.engine == "ray" and (asked.devices is not None or asked.hosts):
        raise SalusError("--devices and --hosts train one network together, --engine ray many apart; give one of them")
    folder = asked.resume or asked.output
    where = {name: getattr(asked, name) for name in ("threads", "engine", "address")}
    asked.when_interrupted = f"interrupted; continue with: salus benchmark --resume {folder}"
    if asked.resume:
        use_backend(together.backend(asked) or Settings.load(asked.resume).backend)
        from salus.lab.benchmark.run import resume

        with together.crew(asked, f"salus benchmark --resume {folder}") as crew:
            resume(asked.resume, log, crew=crew, **where)
            _report(asked.resume, crew)
        return
    if asked.preset not in PRESETS:
        raise SalusError(f"unknown preset {asked.preset!r}; choose one of {', '.join(PRESETS)}")
    protocol = PRESETS[asked.preset].change(
        **{name: getattr(asked, name) for name in vars(PRESETS["published"]) if hasattr(asked, name)}
    )
    settings = Settings(
        data=str(asked.data.absolute()),  # a run may be resumed from elsewhere
        layout=asked.layout,
        networks=tuple(n for n in asked.networks.split(",") if n),
        saliency=asked.saliency,
        predictions=_named_folders(asked.predictions),
        protocol=protocol.change(fold_rule="file") if asked.folds_file else protocol,
        allow_leakage=asked.allow_leakage,
        skip_bad=asked.skip_bad,
        backend=use_backend(together.backend(asked)),
    )
    from salus.lab.benchmark.run import start

    with together.crew(asked, f"salus benchmark --resume {folder}") as crew:
        start(asked.output, settings, log, folds_file=asked.folds_file, crew=crew, **where)
        _report(asked.output, crew)


def _report(run: Path, crew: Crew) -> None:
    """Write the report, by the process that leads."""
    from salus.lab.report.build import build_report

    if crew.leads:
        build_report(run, log)


def log(line: str) -> None:
    """A line of progress, at once even where the output goes to a file."""
    print(line, flush=True)


def _named_folders(given: list[str]) -> dict[str, str]:
    from salus.errors import SalusError

    found = {}
    for item in given:
        name, equals, folder = item.partition("=")
        if not (name and equals and folder) or "/" in name:
            raise SalusError(f"--predictions {item}: write it as NAME=FOLDER")
        found[name] = str(Path(folder).absolute())
    return found
