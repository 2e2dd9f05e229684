"""What each part of the segmentation network and of its training is worth, also on a hospital it never saw.

    python bench/segment_ablation.py HOME ELSEWHERE -o RUN [--size 128] [--steps 700] [--only NAME,NAME]

Each variant changes one thing of `salus train`'s recipe, without its first steps at a smaller size, and is trained on
all but the first fold of HOME alone, then asked for that fold and for every image of ELSEWHERE. Scores are at the
network's size, without a limit of presence: mean Dice of images with a tumour, the share of tumour-free images left
empty, and how well presence tells these from the others (AUC). RUN/NAME.json keeps what is done; the same command goes
on after an interruption.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from salus.lab.segmentation.recipe import SegmentRecipe
from salus.lab.segmentation.train import train_segmenter
from salus.lab.training.augment.compose import LIGHT
from salus.lab.training.augment.settings import STRONG
from salus.lab.training.cross_validation import Pool, read_pool
from salus.lab.training.run_folder import read_json, write_json
from salus.segmentation.postprocess import cut

SMALLEST = 0.0005


def variants(base: SegmentRecipe) -> dict[str, SegmentRecipe]:
    """Each recipe by name."""
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


def scores(model: Any, pool: Pool, chosen: np.ndarray) -> dict[str, float]:
    """Of some of a pool's images."""
    from sklearn.metrics import roc_auc_score

    found = model.predict(pool.images[chosen][..., None] / np.float32(255), batch_size=32, verbose=0)
    truth = pool.masks[chosen]
    lesion = truth.any(axis=(1, 2))
    masks = np.stack([cut(one[..., 0], 0.5, SMALLEST) for one in found["probability"]])
    dice = 2 * (masks & truth).sum(axis=(1, 2)) / np.maximum(masks.sum(axis=(1, 2)) + truth.sum(axis=(1, 2)), 1)
    told = {"dice": float(dice[lesion].mean())}
    if not lesion.all():
        told["empty"] = float((~masks[~lesion].any(axis=(1, 2))).mean())
        told["presence"] = float(roc_auc_score(lesion, found["presence"][:, 0]))
    return told


def main() -> None:
    """Train what is missing; print the table."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("home")
    p.add_argument("elsewhere")
    p.add_argument("-o", dest="run", type=Path, required=True)
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--steps", type=int, default=700)
    p.add_argument("--only", default="")
    asked = p.parse_args()
    home, _ = read_pool([asked.home], size=asked.size)
    away, _ = read_pool([asked.elsewhere], size=asked.size)
    test = np.flatnonzero(home.fold == 1)
    training = home.training(1)
    asked.run.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, recipe in variants(SegmentRecipe(size=asked.size, steps=asked.steps, early_steps=0)).items():
        path = asked.run / f"{name.replace(' ', '-')}.json"
        if not path.exists() and (not asked.only or name in asked.only.split(",")):
            print(name, flush=True)
            began = time.monotonic()
            folder = path.with_suffix("")
            model = train_segmenter(
                home.images[training], home.masks[training], recipe, folder, lambda s: print(s, flush=True)
            )
            minutes = (time.monotonic() - began) / 60
            told = {"home": scores(model, home, test), "elsewhere": scores(model, away, np.arange(len(away.names)))}
            write_json(path, told | {"minutes": round(minutes, 1)})
        if path.exists():
            rows.append((name, read_json(path)))
    print("| variant | Dice, held-out | Dice, elsewhere | tumour-free left empty | presence AUC | minutes |")
    print("|---|---|---|---|---|---|")
    for name, told in rows:
        away_told = told["elsewhere"]
        numbers = [told["home"]["dice"], away_told["dice"], away_told.get("empty"), away_told.get("presence")]
        shown = ["–" if n is None else f"{n:.3f}" for n in numbers]
        print(f"| {name} | {' | '.join(shown)} | {told['minutes']} |")


if __name__ == "__main__":
    main()
