"""Build U-Net, the baseline of Vakanski, Xian & Freer (2020), as in their released code: 717,313 parameters.

c1 = B(x, 32)   c2 = B(pool c1, 32)   c3 = B(pool c2, 64)   c4 = B(pool c3, 64)   c5 = B(pool c4, 128)
d6 = B([up(c5, 64), c4], 64)  d7 = B([up(d6, 64), c3], 64)  d8 = B([up(d7, 32), c2], 32)  d9 = B([up(d8, 32), c1], 32)
p  = sigmoid(1x1(d9, 1))

B is two 3x3 convolutions with ReLU, pool a 2x2 maximum, up a 2x2 transposed convolution of stride 2 without activation.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

FILTERS = (32, 32, 64, 64, 128)
"""Filters of the five levels, finest first."""

WIDE = (52, 52, 104, 104, 212)
"""Filters that give the U-Net SA-U-Net's number of parameters (1,913,129): the fair opponent in size."""


def block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Build B: two 3x3 convolutions with ReLU."""
    x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_a")(x)
    return layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_b")(x)


def decoder(
    x: keras.KerasTensor, skips: Sequence[keras.KerasTensor], filters: Sequence[int] = FILTERS
) -> keras.KerasTensor:
    """Build the decoder: d6 to d9, and p.

    Args:
        x: (n, h/16, w/16, filters[4]), c5.
        skips: features of the four finer levels, finest first, of the sizes h, h/2, h/4, h/8.
        filters: of the five levels, finest first.

    Returns:
        (n, h, w, 1) float32 probability, whatever the precision inside.
    """
    for level in (4, 3, 2, 1):
        k = filters[level - 1]
        up = layers.Conv2DTranspose(k, 2, strides=2, name=f"up{level}")(x)
        x = block(layers.Concatenate(name=f"skip{level}")([up, skips[level - 1]]), k, f"d{level}")
    return layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="probability")(x)


def unet(size: int = 256, filters: Sequence[int] = FILTERS, saliency: bool = False) -> keras.Model:
    """Build the U-Net: image (n, size, size, 1) in [0, 1] to probability (n, size, size, 1).

    Args:
        size: height and width, a multiple of 16.
        filters: of the five levels, finest first.
        saliency: take a saliency map too, as a second channel beside the image: the simplest way to use one, with which
            attention is compared.

    Example:
        >>> unet().count_params()
        717313
    """
    image = keras.Input((size, size, 1), name="image")
    inputs = [image, keras.Input((size, size, 1), name="saliency")] if saliency else [image]
    x = layers.Concatenate(name="channels")(inputs) if saliency else image
    c1 = block(x, filters[0], "c1")
    c2 = block(layers.MaxPooling2D(name="pool1")(c1), filters[1], "c2")
    c3 = block(layers.MaxPooling2D(name="pool2")(c2), filters[2], "c3")
    c4 = block(layers.MaxPooling2D(name="pool3")(c3), filters[3], "c4")
    c5 = block(layers.MaxPooling2D(name="pool4")(c4), filters[4], "c5")
    probability = decoder(c5, (c1, c2, c3, c4), filters)
    return keras.Model(inputs if saliency else image, probability, name="unet_two_channels" if saliency else "unet")
