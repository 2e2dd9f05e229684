"""Measure whether the outline depends on calipers and text: paint some into held-out images, paint others out.

    python bench/segment_marks.py RUN

RUN is a run of `salus train`. Each judged fold's network sees its own held-out images as they are, with marks drawn at
random places, and with bright thin strokes painted out, all at the images' own size; with the run's settings. Prints
mean Dice of images with a tumour and the share of tumour-free images left empty, by data set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from salus.lab.segmentation.config import NETWORK, load_config
from salus.lab.segmentation.run import read_run_data
from salus.lab.training.augment.annotations import draw_random_marks
from salus.lab.training.augment.grey import erase_strokes
from salus.lab.training.run_folder import read_json
from salus.metrics.segmentation import score
from salus.segmentation.network import read_settings
from salus.segmentation.segmenter import Segmenter

VERSIONS = ("as they are", "marks painted in", "strokes painted out")


def main() -> None:
    """Score the three versions of every held-out image; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    args = parser.parse_args()
    config, _ = load_config(args.run)
    data = read_run_data(args.run)
    settings = read_settings(read_json(args.run / "card.json")["settings"], args.run / "card.json")
    values: dict[tuple[str, str, str], list[float]] = {}
    for fold in range(1, config.judged + 1):
        segmenter = Segmenter(args.run / f"fold-{fold}" / NETWORK, tta=settings.tta)
        segmenter.settings, segmenter.threshold = settings, settings.threshold
        for index in data.test_indices(fold).tolist():
            case = data.cases[index]
            scan = case.read_image()
            truth = case.read_mask(scan.shape)
            grey = np.rint(scan.pixels * 255).astype(np.uint8)
            marked = draw_random_marks(grey, np.random.default_rng((1, index)))
            erased = erase_strokes(grey, max(3, 5 * min(grey.shape) // 128))
            for version, image in zip(VERSIONS, (grey, marked, erased), strict=True):
                mask = segmenter(image).mask
                if truth.any():
                    name, value = "Dice", score(truth, mask).dice
                else:
                    name, value = "left empty", float(not mask.any())
                values.setdefault((data.sets[index], name, version), []).append(value)
    print("| set | score | images | " + " | ".join(VERSIONS) + " |")
    print("|---|---|---|---|---|---|")
    for data_set, name in dict.fromkeys((data_set, name) for data_set, name, _ in values):
        means = [np.mean(values[data_set, name, version]) for version in VERSIONS]
        count = len(values[data_set, name, VERSIONS[0]])
        print(f"| {data_set} | {name} | {count} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")


if __name__ == "__main__":
    main()
