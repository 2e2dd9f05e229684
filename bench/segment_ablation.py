"""Measure what each part of the segmentation network's recipe is worth at a hospital that gave no training image.

    python bench/segment_ablation.py SOURCE SOURCE [SOURCE ...] -o RUN [--size 128] [--steps 800] [--seeds 1,2,3]
                                     [--only NAME,NAME] [--unlabelled DIR]

Each source is left out in turn: a network is trained on all others and tested on it. Each variant changes one thing of
the first recipe; with --unlabelled the last learns also from the images without masks in DIR, as outlined by the first
recipe's network (`salus.lab.segmentation.self_training`). Scores are at the network's size, without a limit of
presence: the mean Dice of images with a tumour, at the threshold .5 and at that of the largest expected Dice; the
latter with one click, drawn at random by its distance to the edge of one lesion, for networks that take prompts; and
how well presence separates the images with a tumour from the others (AUC), where the source has both.
RUN/NAME/SEED/SOURCE.json holds a finished training; the same command goes on after an interruption. The table has the
mean over the seeds, and their range where there are several.
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
from salus.lab.segmentation.self_training import add_unlabelled
from salus.lab.segmentation.train import train_segmenter
from salus.lab.training.augment.settings import LIGHT, STRONG
from salus.lab.training.cross_validation import CrossValidationData, read_cross_validation_data
from salus.lab.training.run_folder import read_json
from salus.lab.training.simulated_prompts import choose_lesion, draw_simulated, sample_point
from salus.lab.training.unlabelled import read_unlabelled
from salus.prompts.prompt import Prompt
from salus.segmentation.postprocess import best_threshold

FIRST = SegmentationRecipe(early_steps=0, learning_rate=6e-4, prompted=0.0)
"""Real images alone, proportions kept, light augmentation, Dice of images with a tumour alone, no attention."""

FIRST_NAME, SELF_TRAINING = "first", "images without masks too"
"""Names of that recipe, and of the one that is trained also on the images of --unlabelled."""

STRONG_GEOMETRY = replace(
    LIGHT,
    **{name: getattr(STRONG, name) for name in ("zoom", "aspect", "turn", "shear", "shift")},
)
"""The large changes of geometry with the small ones of grey values."""


def variants(base: SegmentationRecipe) -> dict[str, SegmentationRecipe]:
    """Return each recipe by name."""
    half, rate = base.steps // 2, base.learning_rate
    halves: dict[str, Any] = {"steps": half, "early_steps": half, "early_size": base.size, "early_rate": rate}
    return {
        FIRST_NAME: base,
        "squashed": replace(base, keep_aspect=False),
        "strong augmentation": replace(base, augmentation=STRONG),
        "only the geometry strong": replace(base, augmentation=STRONG_GEOMETRY),
        "half the learning rate": replace(base, learning_rate=base.learning_rate / 2),
        "twice the steps": replace(base, steps=2 * base.steps),
        "prompts": replace(base, prompted=0.7, paired=0.0),
        "prompts and two scans side by side": replace(base, prompted=0.7, paired=0.45),
        "the same in the second half alone": replace(base, prompted=0.7, paired=0.45, **halves),
        "no ImageNet weights": replace(base, pretrained=False),
    }


def score_model(model: Any, data: CrossValidationData, indices: np.ndarray) -> dict[str, float]:
    """Score a network on some of the images."""
    from sklearn.metrics import roc_auc_score

    image = data.images[indices][..., None] / np.float32(255)
    takes_prompts = len(model.inputs) > 1

    def run(prompt: np.ndarray) -> dict[str, np.ndarray]:
        inputs = {"image": image, "prompt": prompt} if takes_prompts else image
        outputs: dict[str, np.ndarray] = model.predict(inputs, batch_size=32, verbose=0)
        return outputs

    truth = data.masks[indices]
    lesion = truth.any(axis=(1, 2))
    outputs = run(np.zeros_like(image))
    maps = outputs["probability"][..., 0]
    scores = {"dice": mean_dice(maps >= 0.5, truth), "best_dice": mean_dice(cut_at_best(maps), truth)}
    if lesion.any() and not lesion.all():
        scores["presence"] = float(roc_auc_score(lesion, outputs["presence"][:, 0]))
    if takes_prompts:
        rng, target, clicks = np.random.default_rng(0), truth.copy(), np.zeros_like(image)
        for i in np.flatnonzero(lesion):
            target[i] = choose_lesion(truth[i], rng)
            clicks[i] = draw_simulated(Prompt(points=(sample_point(target[i], rng),)), truth.shape[1])
        scores["click"] = mean_dice(cut_at_best(run(clicks)["probability"][..., 0]), target)
    return scores


def mean_dice(masks: np.ndarray, truth: np.ndarray) -> float:
    """Compute the mean Dice of the masks (n, s, s) whose truth is not empty."""
    both, areas = (masks & truth).sum(axis=(1, 2)), masks.sum(axis=(1, 2)) + truth.sum(axis=(1, 2))
    return float((2 * both / np.maximum(areas, 1))[truth.any(axis=(1, 2))].mean())


def cut_at_best(maps: np.ndarray) -> np.ndarray:
    """Cut each probability map (n, s, s) at the threshold of its largest expected Dice."""
    thresholds = np.array([max(best_threshold(map_)[0], 1e-6) for map_ in maps])
    masks: np.ndarray = maps >= thresholds[:, None, None]
    return masks


def train_and_score(
    recipe: SegmentationRecipe, data: CrossValidationData, fold: int, folder: Path, teacher: Path | None
) -> dict[str, Any]:
    """Train on all sources but one and score on that one.

    Args:
        recipe: the settings.
        data: the images of all sources.
        fold: the number of the source that is left out.
        folder: of the training.
        teacher: folder of a finished training of the same recipe, whose network outlines the images without masks;
            None leaves these out.
    """
    start, training = time.monotonic(), data.training_indices(fold)
    images, masks = data.images[training], data.masks[training]
    if teacher is not None and data.unlabelled is not None:
        network = train_segmenter(images, masks, recipe, teacher, show)
        folder.mkdir(parents=True, exist_ok=True)
        images, masks = add_unlabelled(images, masks, data.unlabelled.images, network, folder, show)
    model = train_segmenter(images, masks, recipe, folder, show)
    minutes = (time.monotonic() - start) / 60
    return score_model(model, data, data.test_indices(fold)) | {"minutes": round(minutes, 1)}


def show(line: str) -> None:
    """Print a line of progress at once."""
    print(line, flush=True)


def read_sources(folders: list[str], unlabelled: list[str], size: int, keep_aspect: bool) -> CrossValidationData:
    """Read the images of all sources, each source a fold of its own, and those without masks."""
    data, _ = read_cross_validation_data(folders, folds=2, size=size, keep_aspect=keep_aspect, log=lambda line: None)
    if unlabelled:
        data = replace(data, unlabelled=read_unlabelled(unlabelled, data.images, keep_aspect=keep_aspect, log=show))
    return data.with_sources_as_folds()


def summarise(values: list[float]) -> str:
    """Write a mean, and the range where there are several values."""
    if not values:
        return "–"
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def main() -> None:
    """Train what is missing; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("-o", dest="run", type=Path, required=True)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--only", default="")
    parser.add_argument("--unlabelled", nargs="*", default=[])
    args = parser.parse_args()
    names = [Path(folder).resolve().name for folder in args.sources]
    read: dict[bool, CrossValidationData] = {}
    table = {}
    recipes = variants(replace(FIRST, size=args.size, steps=args.steps))
    if args.unlabelled:
        recipes[SELF_TRAINING] = recipes[FIRST_NAME]
    for name, recipe in recipes.items():
        results: dict[str, list[dict[str, Any]]] = {source: [] for source in names}
        for seed in map(int, args.seeds.split(",")):
            for fold, source in enumerate(names, 1):
                path = args.run / name.replace(" ", "-") / str(seed) / f"{source}.json"
                if not path.exists() and (not args.only or name in args.only.split(",")):
                    print(f"{name}, seed {seed}, {source} left out", flush=True)
                    if recipe.keep_aspect not in read:
                        read[recipe.keep_aspect] = read_sources(
                            args.sources, args.unlabelled, args.size, recipe.keep_aspect
                        )
                    path.parent.mkdir(parents=True, exist_ok=True)
                    one, folder = replace(recipe, seed=seed), path.with_suffix("")
                    teacher = args.run / FIRST_NAME / str(seed) / source if name == SELF_TRAINING else None
                    write_json(path, train_and_score(one, read[recipe.keep_aspect], fold, folder, teacher))
                if path.exists():
                    results[source].append(read_json(path))
        if any(results.values()):
            table[name] = results
    print(
        "| variant | "
        + " | ".join(f"{s}: Dice at .5 | at the best | with a click | presence AUC" for s in names)
        + " |"
    )
    print("|---|" + "---|" * 4 * len(names))
    for name, results in table.items():
        cells = [
            summarise([result[score] for result in results[source] if score in result])
            for source in names
            for score in ("dice", "best_dice", "click", "presence")
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
