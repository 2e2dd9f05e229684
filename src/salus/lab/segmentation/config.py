"""TODO."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.errors import SalusError
from salus.lab.segmentation.recipe import SegmentRecipe
from salus.lab.training.run_folder import RUN_FILE, read_json

NETWORK = "network.onnx"


RAW = "raw.npz"


FINAL = "final"


KNOWN_IMAGES = 600
"""Training images, spread over all, from which strangeness is told."""


@dataclass(frozen=True)
class Wanted:
    """What a run was asked to do.

    Attributes:
        data: folders of data sets.
        name: of the network.
        folds: into how many parts patients are dealt.
        judged: how many of them are held out in turn, each with a training of its own; 0 judges nothing.
        final: train once more, on every image, and make that the result.
        final_steps: of that training, which then goes on from the first fold's network at its own size; None trains
            from the beginning.
        start_from: a network file to fine-tune; None starts from ImageNet's weights.
        limit: images of each set at most; None takes all.
        skip_bad: leave out what cannot be read.
        tta: the network is judged and calibrated, and by itself used, on the mean of an image and its mirror.
        recipe: how each is trained.
    """

    data: tuple[str, ...]
    name: str = "mine"
    folds: int = 5
    judged: int = 1
    final: bool = False
    final_steps: int | None = None
    start_from: str | None = None
    limit: int | None = None
    skip_bad: bool = False
    tta: bool = True
    recipe: SegmentRecipe = field(default_factory=SegmentRecipe)


def load(run: Path) -> tuple[Wanted, dict[str, str]]:
    """What a run was asked to do, and the fingerprints of its data."""
    from salus.lab.training.augment.settings import Augmentation

    content = read_json(run / RUN_FILE)
    prints = content.pop("fingerprint", {})
    try:
        told = content.pop("recipe")
        ranges: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in told.pop("augmentation").items()
        }
        recipe = SegmentRecipe(**told, augmentation=Augmentation(**ranges))
        return Wanted(**{**content, "data": tuple(content["data"]), "recipe": recipe}), prints
    except (KeyError, TypeError) as error:
        raise SalusError(f"{run / RUN_FILE}: is of another version or damaged ({error}); start a new run") from None
