"""The settings of a run of `salus train` (RUN/run.json), and the names of the files in its folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.errors import SalusError
from salus.lab.segmentation.recipe import SegmentationRecipe
from salus.lab.training.augment.settings import Augmentation
from salus.lab.training.run_folder import RUN_FILE, read_settings
from salus.read.mask_values import AUTO
from salus.segmentation.network import NetworkSettings

NETWORK = "network.onnx"
"""The exported network, in the run's folder and in that of each training."""

PREDICTIONS = "raw.npz"
"""What a fold's network predicted for its test images, before any calibration."""

FINAL = "final"
"""Folder of the training on every image."""

UNSURE = 0.8
"""Places whose mean probability is less than this share of the surest place's are left out, see
`salus.segmentation.postprocess.remove_unsure`: at .9 Dice is hardly higher, and more tumours are lost.
"""

RETIRED = {"synthetic_free": False, "pasted": 0.0, "folded": True, "empty_dice": False}
"""Settings of earlier recipes that are gone, with the values by which a run is still the same."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a run.

    Attributes:
        data: folders of data sets.
        name: of the network.
        folds: number of folds.
        sources: the folds are the data sets: each is held out in turn, and the network is trained on the others.
        judged: number of folds that are held out in turn, each with a training of its own; 0 judges nothing.
        final: train once more, on every image, and make that the result.
        final_steps: steps of that training, which then continues from the first fold's network at its own size; None
            trains from the beginning.
        start_from: a network file to fine-tune; None starts from ImageNet's weights.
        limit: largest number of images of each set; None takes all.
        skip_bad: leave out cases that cannot be read, instead of stopping.
        tta: judge, calibrate and by default use the network on the mean of an image and its mirror, and where it takes
            prompts, give its own answer back to it as the map (`salus.segmentation.network.predict`).
        mask_values: how the values of masks are read; see `salus.read.mask_values`.
        recipe: settings of each training.
        unlabelled: folders of images without a mask, for self-training.
        backend: of Keras; None in runs of before, which did not keep it.
        start_sha256: SHA-256 of the file `start_from`, by which a resumed run knows it again; None as for `backend`.
    """

    data: tuple[str, ...]
    name: str = "mine"
    folds: int = 5
    judged: int = 1
    sources: bool = False
    final: bool = False
    final_steps: int | None = None
    start_from: str | None = None
    limit: int | None = None
    skip_bad: bool = False
    tta: bool = True
    mask_values: str = AUTO
    recipe: SegmentationRecipe = field(default_factory=SegmentationRecipe)
    unlabelled: tuple[str, ...] = ()
    backend: str | None = None
    start_sha256: str | None = None

    def network_settings(self) -> NetworkSettings:
        """Make the settings of the run's network, before calibration."""
        recipe = self.recipe
        return NetworkSettings(
            self.name,
            recipe.size,
            threshold=None,
            unsure=UNSURE,
            tta=self.tta,
            refine=self.tta and recipe.prompted > 0,
            keep_aspect=recipe.keep_aspect,
        )


def load_config(run: Path) -> tuple[TrainingConfig, dict[str, str]]:
    """Read the settings of a run, and the fingerprint of each data set.

    Raises:
        SalusError: there is no run, or run.json is damaged or of another version.
    """
    settings, fingerprints = read_settings(run)
    try:
        recipe = {"keep_aspect": False} | settings.pop("recipe")  # runs of before squashed images
        recipe = {name: value for name, value in recipe.items() if name not in RETIRED or value != RETIRED[name]}
        if recipe.get("prompted"):
            recipe.pop("attention", None)  # it was of networks without prompts alone, which are others now
        augmentation: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in recipe.pop("augmentation").items()
        }
        settings["recipe"] = SegmentationRecipe(**recipe, augmentation=Augmentation(**augmentation))
        folders = {"data": tuple(settings["data"]), "unlabelled": tuple(settings.get("unlabelled", ()))}
        return TrainingConfig(**{**settings, **folders}), fingerprints
    except (KeyError, TypeError) as error:
        raise SalusError(f"{run / RUN_FILE}: is of another version or damaged ({error}); start a new run") from None
