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
        free_share: share of the batch without a tumour.
        synthetic_free: these are in equal parts normal images where there are such, windows cut beside tumours, and
            images whose tumour is covered with tissue; else normal images alone, and none where there are no such.
        pasted: share of the images with a tumour where it was pasted in from another image; in half of them into a
            tumour-free image.
        dropout: rate of dropout on the deepest features of the decoder.
        attention: whether saliency weighs the features.
        prompted: share of the images that come with a simulated prompt of a reader (`simulated_prompts`); above 0 the
            network is `promptable_net`, else `segment_net`.
        paired: share of these images that are halves of two scans side by side, see `sample_batch`; not in the first
            training.
        folded: whether the encoder has no batch norm; with batch norm training takes twice as long, and the network
            cannot be exported.
        empty_dice: the outline's loss has a Dice term for images without a tumour too (`saliency_loss`); else only
            for images with one (`outline_loss`).
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
    synthetic_free: bool = False
    pasted: float = 0.0
    dropout: float = 0.2
    attention: bool = True
    prompted: float = 0.6
    paired: float = 0.45
    folded: bool = True
    empty_dice: bool = False
    augmentation: Augmentation = LIGHT
    weights: dict[str, float] = field(default_factory=lambda: {"probability": 1.0, "saliency": 0.5, "presence": 0.2})
    size: int = 192
    keep_aspect: bool = True
