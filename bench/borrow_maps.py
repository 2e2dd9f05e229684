"""Give a data set the out-of-fold maps that its images got in a saliency benchmark of larger sets.

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
from salus.lab.saliency.benchmark import pool_of
from salus.lab.saliency.config import Asked
from salus.lab.saliency.release import read_maps
from salus.lab.training.run_folder import RUN_FILE, read_json
from salus.preprocess import to_bytes

SIDE = 32


def signature(images: np.ndarray) -> np.ndarray:
    """Standardised small copies, (n, SIDE²), whose products are correlations."""
    small = np.stack([np.asarray(Image.fromarray(i).resize((SIDE, SIDE)), np.float64).ravel() for i in images])
    small -= small.mean(axis=1, keepdims=True)
    return small / np.linalg.norm(small, axis=1, keepdims=True)


def main() -> None:
    """Match, link, write."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=Path)
    p.add_argument("run", type=Path)
    p.add_argument("method")
    p.add_argument("-o", "--output", type=Path, required=True)
    given = p.parse_args()
    content = read_json(given.run / RUN_FILE)
    content.pop("fingerprint")
    asked = Asked(**{**content, "data": tuple(content["data"]), "methods": tuple(content["methods"])})
    pool, _ = pool_of(asked, print)
    maps = read_maps(given.run, given.method, pool)
    pairs = prepare(read_data_set(given.data).labelled, asked.size)
    likeness = signature(pairs.images) @ signature(pool.images).T
    best = likeness.argmax(axis=1)
    if likeness.max(axis=1).min() < 0.99:
        raise SystemExit(f"{int((likeness.max(axis=1) < 0.99).sum())} images of {given.data} are not in {given.run}")
    for name in ("images", "masks", "saliency"):
        (given.output / name).mkdir(parents=True, exist_ok=True)
    for case, place in zip(pairs.cases, best, strict=True):
        (given.output / "images" / case.image.name).symlink_to(case.image.resolve())
        for mask in case.masks or ():
            (given.output / "masks" / mask.name).symlink_to(mask.resolve())
        Image.fromarray(to_bytes(maps[place])).save(given.output / "saliency" / f"{case.image.stem}.png")
    print(f"{given.output}: {len(best)} images with maps of {given.method}")


if __name__ == "__main__":
    main()
