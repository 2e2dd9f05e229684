"""Copy to a data set the out-of-fold maps that its images got in a saliency benchmark of larger sets.

    python bench/borrow_maps.py DATA RUN METHOD -o COPY

Every image of DATA must be among the images of RUN (found by its pixels, whatever its name). Its map is the one of the
fold in which it was tested: by a method that saw neither it nor its patient, but many other patients. COPY is a data
set in the published layout with links to the images and masks of DATA, and saliency/.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from salus.data.layouts import read_data_set
from salus.data.prepare import prepare
from salus.lab.saliency.benchmark import read_data
from salus.lab.saliency.config import load_config
from salus.lab.saliency.release import read_maps
from salus.preprocess import to_uint8

SIDE = 32
"""Height and width of the copies by which images are matched."""


def signatures(images: np.ndarray) -> np.ndarray:
    """Make small copies of mean 0 and norm 1, (n, SIDE²), whose products are correlations."""
    small = np.stack([np.asarray(Image.fromarray(i).resize((SIDE, SIDE)), np.float64).ravel() for i in images])
    small -= small.mean(axis=1, keepdims=True)
    return small / np.linalg.norm(small, axis=1, keepdims=True)


def main() -> None:
    """Match the images, link them, and write their maps."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=Path)
    p.add_argument("run", type=Path)
    p.add_argument("method")
    p.add_argument("-o", "--output", type=Path, required=True)
    args = p.parse_args()
    config, _ = load_config(args.run)
    run_data, _ = read_data(config, print)
    maps = read_maps(args.run, args.method, run_data)
    pairs = prepare(read_data_set(args.data).labelled, config.size)
    correlation = signatures(pairs.images) @ signatures(run_data.images).T
    best = correlation.argmax(axis=1)
    missing = int((correlation.max(axis=1) < 0.99).sum())
    if missing:
        raise SystemExit(f"{missing} images of {args.data} are not in {args.run}")
    for name in ("images", "masks", "saliency"):
        (args.output / name).mkdir(parents=True, exist_ok=True)
    for case, match in zip(pairs.cases, best, strict=True):
        (args.output / "images" / case.image.name).symlink_to(case.image.resolve())
        for mask in case.masks or ():
            (args.output / "masks" / mask.name).symlink_to(mask.resolve())
        Image.fromarray(to_uint8(maps[match])).save(args.output / "saliency" / f"{case.image.stem}.png")
    print(f"{args.output}: {len(best)} images with maps of {args.method}")


if __name__ == "__main__":
    main()
