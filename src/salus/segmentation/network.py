"""A segmentation network: its file's contract and settings, its input and its outputs.

It is one ONNX file with its settings inside, under the metadata key "salus":

    inputs  "image"        (n, S, S, 1) float32 in [0, 1];  and where the network takes prompts, "prompt" (n, S, S, 1)
            float32 in [-1, 1], as `salus.prompts.render` draws it, all zeros without a prompt
    outputs "probability"  (n, S, S, 1);  "saliency" (n, T, T, 1), T = S or less;  "presence" (n, 1), that there is a
            tumour at all;  "strangeness" (n, 1), how far the image lies from those the network knows
    settings name, size, threshold, temperature, presence, restraint, strange, smallest, unsure (`NetworkSettings`), and
            the card's figures
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from salus.engine import Network
from salus.errors import SalusError
from salus.preprocess import letterbox, resize, to_uint8
from salus.segmentation.strangeness_memory import StrangenessMemory

OUTPUTS = {"probability", "saliency", "presence", "strangeness"}

PROMPT = "prompt"
"""Name of the input for a prompt, which a network may have."""

RESTRAINTS = ("none", "balanced", "strict")
"""How readily a network leaves an image empty: never for want of presence; at two limits of presence in its file."""


@dataclass(frozen=True)
class NetworkSettings:
    """Settings in a network's file: the size of its input, and how its outputs are read.

    Attributes:
        name: name of the network.
        size: height and width of its input, pixels.
        threshold: probability from which on a pixel is tumour; None takes for each image the one at which the expected
            Dice is largest, see `salus.segmentation.postprocess.best_threshold`.
        temperature: divides the logits, so that probabilities are frequencies.
        presence: below this probability of any tumour at all the mask is left empty; 0 never does that.
        restraint: limits of presence to choose from, by name, "balanced" and "strict"; see `restrain`.
        strange: strangeness above which an image is flagged.
        smallest: components that cover less than this share of the image are dropped.
        unsure: where each image has its own threshold, components whose mean probability is less than this share of
            the surest component's are dropped; see `salus.segmentation.postprocess.remove_unsure`. 0 keeps all.
        keep_aspect: the image is put into the input's square with its aspect ratio kept, see
            `salus.preprocess.letterbox`; else it is squashed.
        tta: the network was calibrated on means of its outputs for an image and for its mirror; see `predict`.
        refine: with `tta`, the network gets its own answer back as the map where there is no prompt; see `predict`.
    """

    name: str
    size: int
    threshold: float | None = 0.5
    temperature: float = 1.0
    presence: float = 0.0
    strange: float = 1.0
    smallest: float = 0.0005
    unsure: float = 0.0
    tta: bool = False
    refine: bool = False
    keep_aspect: bool = False
    restraint: dict[str, float] = field(default_factory=dict)


def read_settings(metadata: dict[str, Any], path: Path) -> NetworkSettings:
    """Read the settings from a network file's metadata.

    Args:
        metadata: what stands under the key "salus"; other entries are passed over.
        path: the file, for the error message.

    Raises:
        SalusError: a setting without a default is missing.
    """
    try:
        return NetworkSettings(**{f.name: metadata[f.name] for f in fields(NetworkSettings) if f.name in metadata})
    except TypeError:
        raise SalusError(f"{path}: is no segmentation network of Salus; export it with salus train") from None


def restrain(settings: NetworkSettings, restraint: str | None, path: Path) -> NetworkSettings:
    """Set the limit of presence below which an image is left empty.

    Args:
        settings: of a network.
        restraint: one of `RESTRAINTS`; None leaves the file's own limit.
        path: the network's file, for the error message.

    Raises:
        SalusError: there is no such restraint, or the file has no limit for it.

    Example:
        >>> settings = NetworkSettings("mine", 192, restraint={"balanced": 0.2, "strict": 0.6})
        >>> restrain(settings, "balanced", Path("mine.onnx")).presence
        0.2
    """
    if restraint is None:
        return settings
    if restraint not in RESTRAINTS:
        raise SalusError(f"unknown restraint {restraint!r}; choose one of {', '.join(RESTRAINTS)}")
    if restraint != "none" and restraint not in settings.restraint:
        raise SalusError(
            f"{path}: has no limit of presence for the restraint {restraint!r}; leave it out, or train a network "
            "again, with tumour-free images among its data"
        )
    return replace(settings, presence=settings.restraint.get(restraint, 0.0))


def prepare_image(pixels: np.ndarray, settings: NetworkSettings) -> np.ndarray:
    """Resize an image to a network's input, round it to 8 bits as in training, and scale it to [0, 1].

    Args:
        pixels: (height, width) in [0, 1].
        settings: the size S of the input, and whether the aspect ratio is kept.

    Returns:
        (S, S, 1) float32 in [0, 1].
    """
    size = settings.size
    square = letterbox(pixels, size) if settings.keep_aspect else resize(pixels, (size, size))
    return to_uint8(square)[..., None] / np.float32(255)


def takes_prompts(network: Network) -> bool:
    """Tell whether a network has an input for prompts."""
    return PROMPT in network.inputs


def predict(
    network: Network,
    images: np.ndarray,
    tta: bool,
    prompts: np.ndarray | None = None,
    refine: bool = False,
    memory: StrangenessMemory | None = None,
) -> dict[str, np.ndarray]:
    """Run a network on a batch of images.

    Args:
        network: an open segmentation network.
        images: (n, S, S, 1) float32 in [0, 1].
        tta: run the mirrored images too and average (test-time augmentation); the strangeness is the images' own.
        prompts: (n, S, S, 1) float32 in [-1, 1], for a network that takes them; None gives it no prompt.
        refine: where an image has no prompt, give its probability back to the network as the map, and take the mean of
            the first and the second probability: the network's own answer is its saliency. The second is of the image
            alone, as its mirror image adds nothing there.
        memory: of the strangeness of earlier images.

    Returns:
        The outputs by name, as the head of this file describes them. The strangeness is that of the image without its
        prompt, which takes one more run unless it is remembered: a prompt changes the features, and the limit was
        fitted without prompts.
    """
    with_prompts = takes_prompts(network)
    if prompts is None and with_prompts:
        prompts = np.zeros_like(images)
    outputs = _run(network, images, tta, prompts if with_prompts else None)
    if prompts is None or not with_prompts:
        return outputs
    alone = np.array([not prompt.any() for prompt in prompts])
    outputs["strangeness"] = _strangeness(network, images, outputs["strangeness"], alone, memory)
    if refine and alone.any():
        first = outputs["probability"][alone]
        outputs["probability"] = outputs["probability"].copy()
        outputs["probability"][alone] = (first + _run(network, images[alone], False, first)["probability"]) / 2
    return outputs


def _strangeness(
    network: Network, images: np.ndarray, computed: np.ndarray, alone: np.ndarray, memory: StrangenessMemory | None
) -> np.ndarray:
    """Replace the strangeness (n, 1) of images with a prompt by that without it; `alone` (n,) says which have none."""
    strangeness = computed.copy()
    for i, image in enumerate(images):
        if not alone[i]:
            known = memory.recall(image) if memory else None
            if known is None:
                known = _run(network, image[None], False, np.zeros_like(image[None]))["strangeness"].item()
            strangeness[i] = known
        if memory:
            memory.remember(image, strangeness[i].item())
    return strangeness


def _run(network: Network, images: np.ndarray, tta: bool, prompts: np.ndarray | None) -> dict[str, np.ndarray]:
    """Run the network once, with `tta` on images and mirrored images in one batch."""
    inputs = {"image": images} if prompts is None else {"image": images, PROMPT: prompts}
    if not tta:
        return network.run(inputs)
    n = len(images)
    outputs = network.run({name: np.concatenate([values, values[:, :, ::-1]]) for name, values in inputs.items()})
    maps = {name: (outputs[name][:n] + outputs[name][n:, :, ::-1]) / 2 for name in ("probability", "saliency")}
    presence = (outputs["presence"][:n] + outputs["presence"][n:]) / 2
    return maps | {"presence": presence, "strangeness": outputs["strangeness"][:n]}
