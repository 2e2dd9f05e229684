"""Does the outline follow calipers and text? Paint some into held-out images, paint others out, and compare.

    python bench/segment_marks.py RUN

RUN is a run of `salus train`. Each judged fold's network sees its own held-out images as they are, with marks drawn at
random places, and with bright thin strokes painted out, all at the images' own size; with the run's settings. Prints
mean Dice of images with a tumour and the share of tumour-free images left empty, by data set.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import numpy as np

from salus.lab.segmentation.config import NETWORK, load
from salus.lab.segmentation.run import read_wanted_pool
from salus.lab.training.augment.annotations import draw_random_marks
from salus.lab.training.augment.grey import erase_strokes
from salus.lab.training.run_folder import read_json
from salus.metrics.segmentation import score
from salus.segmentation.network import NetworkSettings
from salus.segmentation.segmenter import Segmenter

VERSIONS = ("as they are", "marks painted in", "strokes painted out")


def main() -> None:
    """Compare the three."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path)
    asked = p.parse_args()
    wanted, _ = load(asked.run)
    pool = read_wanted_pool(asked.run)
    kept = read_json(asked.run / "card.json")["settings"]
    settings = NetworkSettings(**{f.name: kept[f.name] for f in fields(NetworkSettings) if f.name in kept})
    found: dict[tuple[str, str, str], list[float]] = {}
    for fold in range(1, wanted.judged + 1):
        segmenter = Segmenter(asked.run / f"fold-{fold}" / NETWORK, tta=settings.tta)
        segmenter.settings, segmenter.threshold = settings, settings.threshold
        for place in np.flatnonzero(pool.fold == fold):
            case = pool.cases[int(place)]
            scan = case.read_image()
            truth = case.read_mask(scan.shape)
            grey = np.rint(scan.pixels * 255).astype(np.uint8)
            side = min(grey.shape)
            marked = draw_random_marks(grey, np.random.default_rng((1, int(place))))
            erased = erase_strokes(grey, max(3, 5 * side // 128))
            for name, image in zip(VERSIONS, (grey, marked, erased), strict=True):
                mask = segmenter(image).mask
                if truth.any():
                    value, what = score(truth, mask).dice, "Dice"
                else:
                    value, what = float(not mask.any()), "left empty"
                found.setdefault((pool.sets[int(place)], what, name), []).append(value)
    print("| set | score | images | " + " | ".join(VERSIONS) + " |")
    print("|---|---|---|---|---|---|")
    for data, what in dict.fromkeys((data, what) for data, what, _ in found):
        means = [
            np.mean(found[data, what, name]) for name in ("as they are", "marks painted in", "strokes painted out")
        ]
        number = len(found[data, what, "as they are"])
        print(f"| {data} | {what} | {number} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")


if __name__ == "__main__":
    main()
