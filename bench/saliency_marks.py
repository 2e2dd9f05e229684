"""Do a method's maps follow calipers and text? Paint some in, paint others out, and compare.

    python bench/saliency_marks.py DATA --method learned

Prints mean AUC, brightest-pixel hits and quiet tumour-free images for the images as they are, with marks drawn at
random places, and with bright thin strokes painted out; and how often the brightest pixel lies at a drawn mark.
The shipped methods were fitted on BUS-BRA and BUSI: on those sets read the differences, not the levels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation

from salus.data.layouts import read_data_set
from salus.data.prepare import prepare
from salus.lab.training.augment.annotations import draw_random_marks
from salus.lab.training.augment.grey import erase_strokes
from salus.metrics.saliency import score_map
from salus.saliency.registry import get_method


def main() -> None:
    """Score the maps of the images as they are, with marks and without."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=Path)
    p.add_argument("--method", default="learned")
    p.add_argument("--limit", type=int, default=300)
    p.add_argument("--size", type=int, default=256)
    args = p.parse_args()
    cases = read_data_set(args.data).labelled
    cases = tuple(cases[int(i)] for i in np.unique(np.linspace(0, len(cases) - 1, args.limit).round()))
    pairs = prepare(cases, args.size)
    rng = np.random.default_rng(0)
    drawn = np.stack([draw_random_marks(image, rng) for image in pairs.images])
    erased = np.stack([erase_strokes(image, 5 * args.size // 128) for image in pairs.images])
    method = get_method(args.method)
    print(f"{args.data.name}, {args.method}, {len(cases)} images")
    for name, images in (("as they are", pairs.images), ("marks painted in", drawn), ("strokes painted out", erased)):
        maps = method.estimate(images)
        scores = [score_map(m, mask) for m, mask in zip(maps, pairs.masks, strict=True)]
        auc, hit, quiet = (np.nanmean([getattr(s, n) for s in scores] + [np.nan]) if any(
            not np.isnan(getattr(s, n)) for s in scores) else np.nan for n in ("auc", "hit", "quiet"))  # fmt: skip
        line = f"  {name:20} AUC {auc:.4f}  hit {hit:.3f}  quiet {quiet:.3f}"
        if images is drawn:
            near_marks = [
                binary_dilation(a != b, iterations=args.size // 64) for a, b in zip(drawn, pairs.images, strict=True)
            ]
            share = np.mean([n.ravel()[m.argmax()] for n, m in zip(near_marks, maps, strict=True)])
            line += f"  brightest pixel at a mark {share:.3f} "
            line += f"(marks and their surroundings cover {np.mean(near_marks):.3f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
