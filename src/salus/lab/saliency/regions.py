"""Train the classifier of superpixels (`salus.saliency.methods.regions`) on images as they are and augmented.

    python -m salus.lab.saliency.regions --data FOLDER [FOLDER ...] -o FILE.npz

A region counts as tumour if more than half of it is. Its weight grows with its area and with the share of the larger
side, and the tumours of all images weigh more alike than their areas. The second trees must not see outputs of the
first on regions that these were fitted on, so the outputs come from `INNER_FOLDS` folds of consecutive images.
Calibration then undoes the weights: a logistic regression on one inner fold that trees fitted on the other folds never
saw.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.lab.training.augment.compose import augment
from salus.lab.training.augment.settings import STRONG, Augmentation
from salus.preprocess import resize
from salus.saliency.methods.cues import to_working_size
from salus.saliency.methods.region_features import compute_features
from salus.saliency.methods.regions import PARAMETERS, RegionModel, RegionSaliency, compute_context
from salus.saliency.methods.superpixels import WORKING_SIZE, Regions, compute_superpixels
from salus.saliency.methods.trees import Trees

INNER_FOLDS = 3
"""Number of inner folds."""


@dataclass(frozen=True)
class RegionRecipe:
    """The settings of a training.

    Attributes:
        copies: augmented copies of each image beside the image itself.
        augmentation: settings of the augmentation.
        trees: number of trees of the first classifier; the second has half as many.
        learning_rate: of both.
        max_leaves: largest number of leaves of a tree.
        max_depth: largest depth of a tree.
        min_regions: smallest number of regions in a leaf.
        background: share of the regions without tumour that is used, weighted up accordingly.
        balance: 0 weighs tumours by their area, 1 all alike.
        seed: of augmentation and choice of regions.
    """

    copies: int = 1
    augmentation: Augmentation = STRONG
    trees: int = 160
    learning_rate: float = 0.1
    max_leaves: int = 24
    max_depth: int = 8
    min_regions: int = 60
    background: float = 0.2
    balance: float = 0.5
    seed: int = 1


@dataclass(frozen=True, eq=False)
class DescribedImage:
    """The regions of one image with what the classifiers learn from.

    Attributes:
        regions: n regions.
        features: (n, k) float32.
        names: of the features.
        tumour: (n,) share of tumour in each region.
    """

    regions: Regions
    features: np.ndarray
    names: tuple[str, ...]
    tumour: np.ndarray


class RegionsEstimator:
    """The classifier of superpixels before it is fitted.

    Args:
        recipe: settings of the training.
    """

    inner_folds = 4

    def __init__(self, recipe: RegionRecipe = RegionRecipe()) -> None:
        self.recipe = recipe
        self.fitted: RegionSaliency | None = None

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Fit both classifiers and the calibration.

        Args:
            images: (n, s, s) uint8, the images of a patient beside each other.
            masks: (n, s, s) bool; images without a tumour are welcome.

        Raises:
            SalusError: no mask has a tumour, or there are fewer than `INNER_FOLDS` images.
        """
        if len(images) < INNER_FOLDS or not masks.any():
            raise SalusError(f"the regions model learns from {INNER_FOLDS} images or more, of which some show a tumour")
        copies = [describe_images(images, masks)]
        for copy in range(self.recipe.copies):
            copies.append(describe_images(images, masks, self.recipe.augmentation, self.recipe.seed + copy))
        self.fitted = RegionSaliency(fit_model(copies, self.recipe))

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Estimate maps (n, s, s) float32 in [0, 1] of images (n, s, s) uint8.

        Raises:
            SalusError: the model is not fitted.
        """
        return self._get_fitted().estimate(images)

    def save(self, path: Path) -> None:
        """Write the fitted model as the file that is shipped.

        Raises:
            SalusError: the model is not fitted.
        """
        self._get_fitted().save(path)

    def _get_fitted(self) -> RegionSaliency:
        if self.fitted is None:
            raise SalusError("the regions model is not fitted; call fit with training images and masks first")
        return self.fitted


def describe_images(
    images: np.ndarray, masks: np.ndarray, augmentation: Augmentation | None = None, seed: int = 0
) -> list[DescribedImage]:
    """Divide images into regions, compute their features, and measure the share of tumour in each.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        augmentation: made to each image first; None makes none.
        seed: of the augmentation.
    """
    rng, described = np.random.default_rng(seed), []
    for image, mask in zip(images, masks, strict=True):
        image, mask = to_working_size(image), resize(mask, (WORKING_SIZE, WORKING_SIZE)) >= 0.5
        if augmentation is not None:
            image, mask = augment(image, mask, rng, augmentation)
        regions = compute_superpixels(image)
        described.append(DescribedImage(regions, *compute_features(image, regions), regions.average(mask)))
    return described


def fit_model(copies: Sequence[Sequence[DescribedImage]], recipe: RegionRecipe) -> RegionModel:
    """Fit both classifiers and the calibration to described images.

    Args:
        copies: the images as they are, then each set of augmented copies, in the same order.
        recipe: the settings.
    """
    n = len(copies[0])
    fold = np.arange(n) * INNER_FOLDS // n  # consecutive, so that a patient's images stay together
    last = INNER_FOLDS - 1
    contexts = [[np.empty(0)] * n for _ in copies]
    for number in range(INNER_FOLDS):
        trees = _grow_trees(copies, fold != number, recipe, recipe.trees)
        for copy, copy_contexts in zip(copies, contexts, strict=True):
            for i in np.flatnonzero(fold == number).tolist():
                copy_contexts[i] = compute_context(trees.log_odds(copy[i].features), copy[i].regions)
    everything, half = np.ones(n, bool), max(1, recipe.trees // 2)
    first = _grow_trees(copies, everything, recipe, recipe.trees)
    held_out = np.flatnonzero(fold == last).tolist()
    slope, bias = _calibrate(
        _grow_trees(copies, fold != last, recipe, half, contexts),
        [copies[0][i] for i in held_out],
        [contexts[0][i] for i in held_out],
    )
    second = _grow_trees(copies, everything, recipe, half, contexts)
    return RegionModel(copies[0][0].names, first, second, slope, bias, PARAMETERS)


def _grow_trees(
    copies: Sequence[Sequence[DescribedImage]],
    in_training: np.ndarray,
    recipe: RegionRecipe,
    trees: int,
    contexts: Sequence[Sequence[np.ndarray]] | None = None,
) -> Trees:
    """Fit boosted trees to the regions of some images, on their features and, where given, their contexts.

    Args:
        copies: see `fit_model`.
        in_training: (n,) bool, the images to fit to.
        recipe: the settings.
        trees: number of trees.
        contexts: of each image of each copy.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(recipe.seed)
    samples, labels, weights = [], [], []
    for copy_index, copy in enumerate(copies):
        for i in np.flatnonzero(in_training).tolist():
            image = copy[i]
            has_tumour = image.tumour > 0.02
            chosen = np.flatnonzero(has_tumour | (rng.random(len(has_tumour)) < recipe.background))
            features = image.features if contexts is None else np.hstack([image.features, contexts[copy_index][i]])
            share, area = image.tumour[chosen], image.regions.area[chosen] / WORKING_SIZE**2
            lesion_size = max(float(image.tumour @ image.regions.area) / WORKING_SIZE**2, 0.005)
            weight = area * np.sqrt(np.abs(2 * share - 1)) / np.where(has_tumour[chosen], 1, recipe.background)
            samples.append(features[chosen])
            labels.append(share > 0.5)
            weights.append(weight * np.where(share > 0.5, (0.1 / lesion_size) ** recipe.balance, 1))
    weight = np.concatenate(weights)
    model = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=recipe.learning_rate,
        max_leaf_nodes=recipe.max_leaves,
        max_depth=recipe.max_depth,
        min_samples_leaf=recipe.min_regions,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=recipe.seed,
    )
    model.fit(np.concatenate(samples), np.concatenate(labels), sample_weight=weight / weight.mean())
    return to_trees(model)


def to_trees(model: Any) -> Trees:
    """Convert a fitted two-class HistGradientBoostingClassifier, for features without NaN, to plain arrays.

    A threshold is rounded down to float32, so that float32 features fall on the same side as before.
    """
    roots: list[int] = []
    columns: list[tuple[np.ndarray, ...]] = []
    start = depth = 0
    for (tree,) in model._predictors:
        nodes = tree.nodes
        leaf = nodes["is_leaf"].astype(bool)
        order = [0]  # breadth first: siblings lie side by side
        for node in order:
            if not leaf[node]:
                order += [int(nodes["left"][node]), int(nodes["right"][node])]
        new_index = np.zeros(len(nodes), np.int64)
        new_index[order] = np.arange(len(order))
        nodes, leaf = nodes[order], leaf[order]
        left = np.where(leaf, np.arange(len(order)), new_index[nodes["left"]])
        exact = np.where(leaf, np.inf, nodes["num_threshold"])
        threshold = exact.astype(np.float32)
        above = threshold > exact
        threshold[above] = np.nextafter(threshold[above], np.float32(-np.inf))
        feature = np.where(leaf, 0, nodes["feature_idx"]).astype(np.int16)
        value = np.where(leaf, nodes["value"], 0).astype(np.float32)
        columns.append((feature, threshold, (start + left).astype(np.int32), value))
        roots.append(start)
        start += len(order)
        depth = max(depth, int(nodes["depth"].max()))
    feature, threshold, left, value = (np.concatenate(column) for column in zip(*columns, strict=True))
    bias = float(np.ravel(model._baseline_prediction)[0])
    return Trees(np.array(roots, np.int32), feature, threshold, left, value, bias, depth, model.n_features_in_)


def _calibrate(trees: Trees, images: Sequence[DescribedImage], contexts: Sequence[np.ndarray]) -> tuple[float, float]:
    """Fit the slope and the bias of the log odds of held-out images (Platt); every pixel weighs alike."""
    from sklearn.linear_model import LogisticRegression

    log_odds = np.concatenate(
        [trees.log_odds(np.hstack([image.features, c])) for image, c in zip(images, contexts, strict=True)]
    )
    tumour = np.concatenate([image.tumour for image in images])
    area = np.concatenate([image.regions.area for image in images]).astype(float)
    if not 0 < tumour @ area < area.sum():
        return 1.0, 0.0
    model = LogisticRegression(C=1e6)
    truth = np.repeat([1, 0], len(log_odds))
    weight = np.concatenate([tumour * area, (1 - tumour) * area]) / area.mean()
    model.fit(np.concatenate([log_odds, log_odds])[:, None], truth, sample_weight=weight)
    return max(float(model.coef_[0, 0]), 0.05), float(model.intercept_[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit the model on all labelled images of the folders and write the file."""
    from salus.data.layouts import read_data_set
    from salus.data.prepare import prepare

    parser = argparse.ArgumentParser(description="Train the regions saliency method.")
    parser.add_argument("--data", nargs="+", required=True, metavar="FOLDER", help="data sets")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    args = parser.parse_args(arguments)
    try:
        data_sets = [prepare(read_data_set(folder, None).labelled, WORKING_SIZE) for folder in args.data]
        estimator = RegionsEstimator()
        estimator.fit(np.concatenate([s.images for s in data_sets]), np.concatenate([s.masks for s in data_sets]))
        args.output.parent.mkdir(parents=True, exist_ok=True)
        estimator.save(args.output)
    except SalusError as error:
        print(f"salus: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
