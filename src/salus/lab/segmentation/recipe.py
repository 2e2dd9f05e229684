"""The settings with which the segmentation network is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

from salus.lab.training.augment.settings import LIGHT, Augmentation
from salus.lab.training.loop import StepRecipe


@dataclass(frozen=True)
class SegmentationRecipe(StepRecipe):
    """How the network of `salus segment` is trained; see `salus.lab.training.loop.StepRecipe` for what is not listed.

    Attributes:
        early_steps: largest number of steps of a first training at a smaller size, where a step costs less; the
            training proper starts from its weights (progressive resizing, Howard 2018). 0 leaves it out.
        early_size: height and width of the images there, pixels.
        early_rate: peak learning rate there.
        free_share: share of the batch without a tumour, where the data have such images.
        dropout: rate of dropout on the deepest features of the decoder.
        prompted: share of the images that come with a simulated prompt of a reader (`simulated_prompts`); above 0 the
            network is `promptable_net`, else `segment_net`.
        paired: share of these images that are halves of two scans side by side, see `sample_batch`; not in the first
            training.
        augmentation: what is changed in every image.
        weights: of the losses of probability, saliency and presence.
        size: height and width of the network's input, pixels.
        keep_aspect: keep each image's aspect ratio by black bars, in place of squashing it.
    """

    steps: int = 700
    passes: int = 60
    learning_rate: float = 4e-4
    early_steps: int = 900
    early_size: int = 128
    early_rate: float = 8e-4
    free_share: float = 0.15
    dropout: float = 0.2
    prompted: float = 0.6
    paired: float = 0.45
    augmentation: Augmentation = LIGHT
    weights: dict[str, float] = field(default_factory=lambda: {"probability": 1.0, "saliency": 0.5, "presence": 0.2})
    size: int = 192
    keep_aspect: bool = True
