"""`salus train`: train the network of `salus segment` on your own images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from salus.cli import distributed_options as together


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "train",
        help="train or fine-tune the segmentation network on your own images",
        description="Train the network of salus segment on labelled folders. Patients and near-duplicates of one part "
        "are held out: on them the network is calibrated and scored. RUN/network.onnx is what salus segment --network "
        "takes; RUN/card.md says how good it is.",
        epilog="example: salus train DATA -o RUN --start-from shipped --name ours",
    )
    p.add_argument("data", nargs="*", type=Path, metavar="DATA", help="data sets' folders")
    p.add_argument("-o", "--output", type=Path, metavar="RUN", help="a new folder for the result")
    p.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="continue an interrupted run; nothing finished is redone. With --judge or --final: add that to the run",
    )
    p.add_argument("--name", default="mine", help="what the network is called (default: %(default)s)")
    p.add_argument(
        "--start-from",
        metavar="NET",
        help="shipped, or a network.onnx of this command, to fine-tune (default: ImageNet weights)",
    )
    p.add_argument("--folds", type=int, default=5, metavar="K", help="parts the patients are dealt into (default: 5)")
    p.add_argument("--judge", type=int, metavar="N", help="parts held out in turn, a training each (default: 1)")
    p.add_argument("--final", action="store_true", help="train once more, on every image, and keep that network")
    p.add_argument(
        "--final-steps",
        type=int,
        metavar="N",
        help="let that network go on from the first part's for N batches (default: train it from the beginning)",
    )
    s = p.add_argument_group("training")
    s.add_argument("--steps", type=int, metavar="N", help="batches at most (default: 1500; fewer for small sets)")
    s.add_argument(
        "--early-steps",
        type=int,
        metavar="N",
        help="batches at most before that, of images of 160 x 160 (default: 3000; to fine-tune 0)",
    )
    s.add_argument("--batch", type=int, metavar="N", help="images a batch (default: 16)")
    s.add_argument("--learning-rate", type=float, metavar="X", help="at its height (default: 3e-4)")
    s.add_argument("--seed", type=int, metavar="N", help="of weights, order and augmentation (default: 1)")
    s.add_argument("--limit", type=int, metavar="N", help="images of each data set at most")
    p.add_argument(
        "--no-tta",
        dest="tta",
        action="store_false",
        help="judge and calibrate on each image alone, not on the mean with its mirror: half the time in use",
    )
    p.add_argument("--skip-bad", action="store_true", help="leave out cases that cannot be read, naming each")
    p.add_argument("--backend", choices=("tensorflow", "jax", "torch"), help="Keras's (default: jax with a GPU)")
    together.add(p)
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Train, or resume."""
    from dataclasses import replace

    from salus.errors import SalusError
    from salus.lab.training.backend import use_backend

    if asked.resume is not None:
        if asked.data or asked.output:
            raise SalusError("--resume RUN takes the rest from the run; leave out DATA and -o")
        asked.when_interrupted = f"interrupted; continue with: salus train --resume {asked.resume}"
        use_backend(together.backend(asked))
        from salus.lab.segmentation.run import resume

        with together.crew(asked, f"salus train --resume {asked.resume}") as crew:
            more = {"judged": asked.judge, "final": asked.final, "final_steps": asked.final_steps}
            resume(asked.resume, _say, crew, **more)
        return 0
    if not asked.data or asked.output is None:
        raise SalusError("name the data and where the result goes: salus train DATA -o RUN")
    asked.when_interrupted = f"interrupted; continue with: salus train --resume {asked.output}"
    use_backend(together.backend(asked))
    from salus.lab.segmentation.config import Wanted
    from salus.lab.segmentation.recipe import SegmentRecipe
    from salus.lab.segmentation.run import shipped, start

    recipe = SegmentRecipe() if asked.start_from is None else replace(SegmentRecipe(), early_steps=0)
    given = {name: getattr(asked, name) for name in ("steps", "early_steps", "batch", "learning_rate", "seed")}
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    first = asked.start_from
    if first is not None:
        first = str(shipped() if first == "shipped" else Path(first).absolute())
    wanted = Wanted(
        data=tuple(str(folder.absolute()) for folder in asked.data),
        name=asked.name,
        folds=asked.folds,
        judged=1 if asked.judge is None else asked.judge,
        final=asked.final,
        final_steps=asked.final_steps,
        start_from=first,
        limit=asked.limit,
        skip_bad=asked.skip_bad,
        tta=asked.tta,
        recipe=recipe,
    )
    with together.crew(asked, f"salus train --resume {asked.output}") as crew:
        start(asked.output, wanted, _say, crew)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
