"""The command `salus demo`: outline a phantom that ships with the package, to see at once what Salus does."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

IMAGE = "phantom.png"
"""Name of the phantom in the demo's folder, by which a folder of an earlier demo is known."""


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "demo",
        help="outline a phantom that ships with the package",
        description="Outline the tumour of a synthetic ultrasound image that ships with Salus, as salus segment does, "
        "and compare the outline with the truth. It needs no image of yours and no connection.",
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("salus-demo"), metavar="OUT", help="the folder (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 3 where it failed, 0 else."""
    import numpy as np

    from salus.data.phantom.demo import DEMO_IMAGE, DEMO_TRUTH
    from salus.errors import SalusError
    from salus.pipeline.jobs import plan_jobs
    from salus.pipeline.options import RunOptions
    from salus.pipeline.run import run_jobs
    from salus.read.image import read_mask
    from salus.segmentation.segmenter import Segmenter

    out: Path = args.out
    if out.exists() and not (out.is_dir() and ((out / IMAGE).is_file() or not any(out.iterdir()))):
        raise SalusError(f"{out}: exists and is no folder of a demo; name another with -o")
    out.mkdir(parents=True, exist_ok=True)
    image = out / IMAGE
    shutil.copyfile(DEMO_IMAGE, image)
    result = run_jobs(plan_jobs([image], out), out, Segmenter(), RunOptions(overwrite=True))
    (record,) = result.records
    print(record)
    if result.failed:
        return 3
    mask, truth = read_mask(out / "masks" / IMAGE), read_mask(DEMO_TRUTH)
    dice = 2 * np.count_nonzero(mask & truth) / (np.count_nonzero(mask) + np.count_nonzero(truth))
    print(f"Dice with the truth: {dice:.3f}")
    print(f"look at {out / 'overlays' / 'phantom.jpg'}; the sizes are in {out / 'lesions.csv'}")
    print("now your own: salus segment YOUR-IMAGE-OR-FOLDER -o OUT")
    return 0
