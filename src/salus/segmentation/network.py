"""A network of `salus segment`: what its file says of itself, and what it answers.

It is one ONNX file with its settings inside, under the metadata key "salus":

    input   "image"        (n, S, S, 1) float32 in [0, 1]
    outputs "probability"  (n, S, S, 1);  "saliency" (n, T, T, 1), T = S or less;  "presence" (n, 1), that there is a
            tumour at all;  "strangeness" (n, 1), how far the image lies from those the network knows, 1 at the limit
    settings size, threshold, temperature, presence, strange, smallest, name (`NetworkSettings`), and the card's figures
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from salus.engine import Network
from salus.errors import SalusError

OUTPUTS = {"probability", "saliency", "presence", "strangeness"}


@dataclass(frozen=True)
class NetworkSettings:
    """What a network's file says about how its outputs are read.

    Attributes:
        name: of the network.
        size: height and width of its input.
        threshold: probability from which on a pixel is tumour.
        temperature: that the logits are divided by, so that probabilities are frequencies.
        presence: below this probability of any tumour at all the mask is left empty.
        strange: strangeness above which an image is flagged.
        smallest: parts that cover less than this share of the image are dropped.
        tta: it was calibrated on the mean of what it says of an image and of its mirror; see `ask`.
    """

    name: str
    size: int
    threshold: float = 0.5
    temperature: float = 1.0
    presence: float = 0.0
    strange: float = 1.0
    smallest: float = 0.0005
    tta: bool = False


def read_settings(found: dict[str, Any], path: Path) -> NetworkSettings:
    """The settings that a network's file holds.

    Args:
        found: the file's, with more than these.
        path: for the message.

    Raises:
        SalusError: it lacks what has no default.
    """
    try:
        return NetworkSettings(**{f.name: found[f.name] for f in fields(NetworkSettings) if f.name in found})
    except TypeError:
        raise SalusError(f"{path}: is no segmentation network of Salus; export it with salus train") from None


def ask(network: Network, images: np.ndarray, tta: bool) -> dict[str, np.ndarray]:
    """A network's outputs for some images.

    Args:
        network: as the head of this file describes.
        images: (n, S, S, 1) float32 in [0, 1].
        tta: the outputs are the means of those of the images and of their mirrors, less the strangeness, which is the
            images' own.
    """
    if not tta:
        return network.run({"image": images})
    n, both = len(images), network.run({"image": np.concatenate([images, images[:, :, ::-1]])})
    maps = {name: (both[name][:n] + both[name][n:, :, ::-1]) / 2 for name in ("probability", "saliency")}
    presence = (both["presence"][:n] + both["presence"][n:]) / 2
    return maps | {"presence": presence, "strangeness": both["strangeness"][:n]}
