"""TODO."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from salus.lab.training.augment.settings import STRONG, Augmentation

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class SegmentRecipe:
    """How the network is trained.

    Attributes:
        steps: of the optimiser at most.
        early_steps: steps at most of a first training at a smaller size, where a step costs less; what it reaches is
            where the training proper starts (Howard 2018 calls it progressive resizing). 0 leaves it out.
        early_size: height and width of the images there.
        early_rate: the learning rate there.
        passes: over the training images at most; small sets take fewer steps.
        batch: images a step.
        learning_rate: of AdamW at its height; it rises over the first tenth and falls as a cosine.
        decay: AdamW's weight decay.
        average: share of the old in the running mean of the weights, which is what is kept.
        free_share: part of the images that show no tumour, in equal parts: normal images where there are such, windows
            cut beside tumours, and images whose tumour is covered with tissue.
        pasted: part of the images with a tumour where it was pasted in from another image; into a tumour-free image in
            half of them.
        dropout: of the deepest features of the outline's decoder.
        attention: whether saliency weighs the features.
        folded: the encoder without batch norm; with it, training takes twice as long, and the network cannot be
            exported.
        augmentation: what is done to every image.
        weights: of the losses of outline, saliency and presence.
        size: height and width of the network's input.
        pretrained: start both encoders from their ImageNet weights.
        seed: of weights, order and augmentation.
    """

    steps: int = 1500
    early_steps: int = 3000
    early_size: int = 160
    early_rate: float = 6e-4
    passes: int = 60
    batch: int = 16
    learning_rate: float = 3e-4
    decay: float = 1e-3
    average: float = 0.99
    free_share: float = 0.3
    pasted: float = 0.2
    dropout: float = 0.2
    attention: bool = True
    folded: bool = True
    augmentation: Augmentation = STRONG
    weights: dict[str, float] = field(default_factory=lambda: {"probability": 1.0, "saliency": 0.5, "presence": 0.2})
    size: int = 256
    pretrained: bool = True
    seed: int = 1


def recipe_json(recipe: SegmentRecipe) -> dict[str, Any]:
    """A recipe as it is kept in files."""
    return asdict(recipe)
