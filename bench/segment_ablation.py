"""Measure what each part of the segmentation network and of its training is worth, also on another hospital.

    python bench/segment_ablation.py HOME ELSEWHERE -o RUN [--size 128] [--steps 700] [--only NAME,NAME]

Each variant changes one thing of `salus train`'s recipe, without its first steps at a smaller size, and is trained on
all but the first fold of HOME alone, and tested on that fold and on every image of ELSEWHERE. Scores are at the
network's size, without a limit of presence: mean Dice of images with a tumour, the share of tumour-free images left
empty, and how well presence separates these from the others (AUC). RUN/NAME.json holds a finished variant; the same
command resumes after an interruption.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_json
from salus.lab.segmentation.recipe import SegmentationRecipe
from salus.lab.segmentation.train import train_segmenter
from salus.lab.training.augment.settings import LIGHT, STRONG
from salus.lab.training.cross_validation import CrossValidationData, read_cross_validation_data
from salus.lab.training.run_folder import read_json
from salus.segmentation.postprocess import threshold_and_clean

SMALLEST = 0.0005


def variants(base: SegmentationRecipe) -> dict[str, SegmentationRecipe]:
    """Return each recipe by name."""
    return {
        "as shipped": base,
        "no attention": replace(base, attention=False),
        "a third of the learning rate": replace(base, learning_rate=base.learning_rate / 3),
        "batch norm": replace(base, folded=False),
        "light augmentation": replace(base, augmentation=LIGHT),
        "no tumour-free images made": replace(base, free_share=0.0),
        "no pasted lesions": replace(base, pasted=0.0),
        "no marks drawn or erased": replace(base, augmentation=replace(STRONG, marks=0.0, erase=0.0)),
        "no ImageNet weights": replace(base, pretrained=False),
        "no dropout": replace(base, dropout=0.0),
    }


def score_model(model: Any, data: CrossValidationData, indices: np.ndarray) -> dict[str, float]:
    """Score a network on some of the images."""
    from sklearn.metrics import roc_auc_score

    outputs = model.predict(data.images[indices][..., None] / np.float32(255), batch_size=32, verbose=0)
    truth = data.masks[indices]
    lesion = truth.any(axis=(1, 2))
    masks = np.stack([threshold_and_clean(map_[..., 0], 0.5, SMALLEST) for map_ in outputs["probability"]])
    dice = 2 * (masks & truth).sum(axis=(1, 2)) / np.maximum(masks.sum(axis=(1, 2)) + truth.sum(axis=(1, 2)), 1)
    scores = {"dice": float(dice[lesion].mean())}
    if not lesion.all():
        scores["empty"] = float((~masks[~lesion].any(axis=(1, 2))).mean())
        scores["presence"] = float(roc_auc_score(lesion, outputs["presence"][:, 0]))
    return scores


def main() -> None:
    """Train the variants that are missing; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home")
    parser.add_argument("elsewhere")
    parser.add_argument("-o", dest="run", type=Path, required=True)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    home, _ = read_cross_validation_data([args.home], size=args.size)
    elsewhere, _ = read_cross_validation_data([args.elsewhere], size=args.size)
    training, test = home.training_indices(1), home.test_indices(1)
    args.run.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, recipe in variants(SegmentationRecipe(size=args.size, steps=args.steps, early_steps=0)).items():
        path = args.run / f"{name.replace(' ', '-')}.json"
        if not path.exists() and (not args.only or name in args.only.split(",")):
            print(name, flush=True)
            start = time.monotonic()
            model = train_segmenter(
                home.images[training],
                home.masks[training],
                recipe,
                path.with_suffix(""),
                lambda line: print(line, flush=True),
            )
            minutes = (time.monotonic() - start) / 60
            scores = {
                "home": score_model(model, home, test),
                "elsewhere": score_model(model, elsewhere, np.arange(len(elsewhere.names))),
            }
            write_json(path, scores | {"minutes": round(minutes, 1)})
        if path.exists():
            results[name] = read_json(path)
    print("| variant | Dice, held-out | Dice, elsewhere | tumour-free left empty | presence AUC | minutes |")
    print("|---|---|---|---|---|---|")
    for name, result in results.items():
        away = result["elsewhere"]
        numbers = [result["home"]["dice"], away["dice"], away.get("empty"), away.get("presence")]
        cells = ["–" if number is None else f"{number:.3f}" for number in numbers]
        print(f"| {name} | {' | '.join(cells)} | {result['minutes']} |")


if __name__ == "__main__":
    main()
