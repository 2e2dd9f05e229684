"""Count a network's floating-point operations for one image, two for each multiply-add."""

from __future__ import annotations

import math

import keras
from keras import layers

from salus.lab.networks.repeated import RepeatedConv1x1


def flops(model: keras.Model) -> int:
    """Count the floating-point operations of convolutions and dense layers in one forward pass on one image.

    Example:
        >>> from salus.lab.networks.unet import unet
        >>> round(flops(unet()) / 1e9, 1)
        8.5
    """
    total = 0
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if isinstance(layer, layers.Conv2DTranspose):
            total += 2 * math.prod(layer.input.shape[1:3]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, RepeatedConv1x1):
            total += 2 * math.prod(layer.output.shape[1:])
        elif isinstance(layer, (layers.Conv2D, layers.Dense)):
            total += 2 * math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    return total
