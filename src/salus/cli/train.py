"""`salus train`: train the network of `salus segment` on your own images."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.cli import shared_options
from salus.cli.output import log

if TYPE_CHECKING:
    from salus.lab.segmentation.config import TrainingConfig

SOURCES = "sources"
"""The value of --judge that leaves out each data set in turn."""

BESIDE_RESUME = ("judge", "final", "final_steps", "backend", "threads", "engine", "address", "devices")
"""What counts beside --resume; the rest is that of the run."""


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "train",
        help="train or fine-tune the segmentation network on your own images",
        description="Train the network of salus segment on labelled folders. Patients and near-duplicates of one part "
        "are held out: on them the network is calibrated and scored. RUN/network.onnx is what salus segment --network "
        "takes; RUN/card.md says how good it is.",
        epilog="example: salus train DATA -o RUN --start-from shipped --name ours",
    )
    parser.add_argument("data", nargs="*", type=Path, metavar="DATA", help="data sets' folders")
    shared_options.add_run_folder(parser, ". With --judge or --final: add that to the run")
    parser.add_argument("--name", default="mine", help="what the network is called (default: %(default)s)")
    parser.add_argument(
        "--start-from",
        metavar="NET",
        help="shipped, or a network.onnx of this command, to fine-tune (default: ImageNet weights)",
    )
    parser.add_argument(
        "--unlabelled",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="images without masks, of other scanners for example: a teacher that is trained first (in a fine-tuning "
        "the network as it was) outlines them, and the network learns also from those of which it is sure",
    )
    parser.add_argument(
        "--folds", type=int, default=5, metavar="K", help="parts the patients are dealt into (default: 5)"
    )
    parser.add_argument(
        "--judge",
        type=_parse_judge,
        metavar="N",
        help="parts held out in turn, a training each (default: 1); sources: leave out each data set in turn and train "
        "on the others, which tells how the recipe holds at a hospital it never saw",
    )
    parser.add_argument("--final", action="store_true", help="train once more, on every image, and keep that network")
    parser.add_argument(
        "--final-steps",
        type=int,
        metavar="N",
        help="let that network go on from the first part's for N batches (default: train it from the beginning)",
    )
    training = parser.add_argument_group("training")
    training.add_argument("--steps", type=int, metavar="N", help="batches at most (default: 700; fewer for small sets)")
    training.add_argument(
        "--early-steps",
        type=int,
        metavar="N",
        help="batches at most before that, of images of 128 x 128 (default: 900; to fine-tune 0)",
    )
    training.add_argument("--batch", type=int, metavar="N", help="images a batch (default: 16)")
    training.add_argument(
        "--learning-rate",
        type=float,
        metavar="X",
        help="at its height (default: 4e-4); in the early steps twice as much",
    )
    training.add_argument(
        "--prompted",
        type=_parse_share,
        metavar="X",
        help="share of the images that come with a simulated prompt; 0 trains a network that takes none (default: 0.6)",
    )
    training.add_argument(
        "--paired",
        type=_parse_share,
        metavar="X",
        help="share of these that are halves of two scans side by side, of which the prompt means one; not in the "
        "early steps (default: 0.45)",
    )
    training.add_argument(
        "--seed", type=int, metavar="N", help="of weights, order, augmentation and folds (default: 1)"
    )
    training.add_argument("--limit", type=int, metavar="N", help="images of each data set at most")
    parser.add_argument(
        "--no-tta",
        dest="tta",
        action="store_false",
        help="judge and calibrate by one pass, not by the mean with the mirrored image and with the network's own "
        "answer as the map: a third of the time in use",
    )
    shared_options.add_mask_values(parser, with_predictions=False)
    shared_options.add_skip_bad(parser)
    shared_options.add_backend(parser)
    shared_options.add_training_engine(parser)
    parser.add_argument(
        "--devices", type=int, metavar="N", help="GPUs of this machine that share each batch (backend jax; default: 1)"
    )
    parser.set_defaults(run=run, parser=parser)


def _parse_judge(text: str) -> int | str:
    """Parse --judge: a number of folds, or "sources"."""
    if text == SOURCES:
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor {SOURCES}") from None


def _parse_share(text: str) -> float:
    """Parse a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def run(args: argparse.Namespace) -> int:
    """Start a training, or resume one."""
    from salus.errors import SalusError
    from salus.lab.segmentation.config import load_config
    from salus.lab.training.backend import use_backend

    shared_options.check_training_engine(args)
    if args.devices is not None and args.engine == "ray":
        raise SalusError("--devices trains one network on several GPUs, --engine ray many on one each; give one option")
    if args.resume is not None:
        shared_options.refuse_settings_of_new_run(args, BESIDE_RESUME)
    if args.resume is not None and args.judge == SOURCES:
        raise SalusError("--judge sources is for a new run: salus train DATA DATA -o RUN --judge sources")
    if args.resume is None and (not args.data or args.output is None):
        raise SalusError("name the data and where the result goes: salus train DATA -o RUN")
    args.when_interrupted = shared_options.advise_to_resume("salus train", args.resume or args.output)
    backend = args.backend or ("jax" if args.devices is not None and "KERAS_BACKEND" not in os.environ else None)
    use_backend(backend or (load_config(args.resume)[0].backend if args.resume is not None else None))
    from salus.lab.segmentation.run import Execution, resume, start
    from salus.lab.training.devices import use_devices

    execution = Execution(args.threads, use_devices(args.devices), args.engine, args.address)
    if args.resume is not None:
        resume(args.resume, log, execution, judged=args.judge, final=args.final, final_steps=args.final_steps)
    else:
        start(args.output, _new_config(args), log, execution)
    return 0


def _new_config(args: argparse.Namespace) -> TrainingConfig:
    """Turn the options of a new run into its settings."""
    from dataclasses import replace

    import keras

    from salus.lab.segmentation.config import TrainingConfig
    from salus.lab.segmentation.recipe import SegmentationRecipe
    from salus.lab.segmentation.run import shipped

    recipe = SegmentationRecipe() if args.start_from is None else replace(SegmentationRecipe(), early_steps=0)
    names = ("steps", "early_steps", "batch", "learning_rate", "prompted", "paired", "seed")
    changes = {name: getattr(args, name) for name in names}
    if args.learning_rate is not None:
        changes["early_rate"] = recipe.early_rate * args.learning_rate / recipe.learning_rate
    recipe = replace(recipe, **{name: value for name, value in changes.items() if value is not None})
    start_from = args.start_from
    if start_from is not None:
        start_from = str(shipped() if start_from == "shipped" else Path(start_from).absolute())
    return TrainingConfig(
        data=tuple(str(folder.absolute()) for folder in args.data),
        unlabelled=tuple(str(folder.absolute()) for folder in args.unlabelled),
        name=args.name,
        folds=args.folds,
        judged=args.judge if isinstance(args.judge, int) else 1,
        sources=args.judge == SOURCES,
        final=args.final,
        final_steps=args.final_steps,
        start_from=start_from,
        limit=args.limit,
        skip_bad=args.skip_bad,
        tta=args.tta,
        mask_values=shared_options.parse_mask_values(args.mask_values)[0],
        recipe=recipe,
        backend=keras.backend.backend(),
    )
