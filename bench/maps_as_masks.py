"""Write the saliency maps of a benchmark run as masks, so that a map can be compared with the network that gets it.

    salus benchmark DATA --networks sa-unet@learned --folds 4 --size 128 -o RUN
    python bench/maps_as_masks.py RUN learned -o MASKS
    salus benchmark DATA --networks '' --predictions map=MASKS --folds 4 --size 128 --folds-file RUN/folds.json -o MAPS

Each test image's map is cut at one threshold for its fold: the one at which the mean Dice of the maps of that fold's
other images is largest. Those maps are of networks that did not see the image, where the source is `learned`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from salus.data.folds import Folds
from salus.data.layouts import read_data_set
from salus.data.prepare import prepare
from salus.lab.benchmark.config import BenchmarkConfig
from salus.lab.training.run_folder import FOLDS, read_json
from salus.preprocess import resize
from salus.write.png import write_mask

THRESHOLDS = range(5, 255, 5)
"""Thresholds tried, in grey levels of the map."""


def best_grey_level(maps: np.ndarray, masks: np.ndarray) -> int:
    """Find the threshold at which the mean Dice of maps (n, s, s) uint8 and masks (n, s, s) bool is largest."""

    def mean_dice(threshold: int) -> float:
        found = maps >= threshold
        both = (found & masks).sum(axis=(1, 2))
        return float(np.mean(2 * both / (found.sum(axis=(1, 2)) + masks.sum(axis=(1, 2)))))

    return max(THRESHOLDS, key=mean_dice)


def main() -> None:
    """Write one mask for each image of the run, at the image's own size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("source", help="of the maps, a folder in RUN/saliency")
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    config = BenchmarkConfig.load(args.run)
    data = read_data_set(config.data, config.layout, config.mask_values)
    pairs = prepare(data.labelled, config.protocol.size)
    folds = Folds.from_json(read_json(args.run / FOLDS), args.run / FOLDS)
    args.out.mkdir(parents=True)
    fold_of = np.array([folds.test[case.name] for case in pairs.cases])
    lesion = pairs.masks.any(axis=(1, 2))
    for fold in np.unique(fold_of):
        with np.load(args.run / "saliency" / args.source / f"fold-{fold}.npz", allow_pickle=False) as file:
            maps = file["maps"]
        others = (fold_of != fold) & lesion
        threshold = best_grey_level(maps[others], pairs.masks[others])
        print(f"fold {fold}: cut at {threshold} of 255")
        for i in np.flatnonzero(fold_of == fold):
            own_size = resize(maps[i] / np.float32(255), pairs.shapes[i])
            write_mask(args.out / f"{pairs.cases[i].name}.png", own_size >= threshold / 255)


if __name__ == "__main__":
    main()
