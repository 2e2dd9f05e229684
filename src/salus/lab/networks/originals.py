"""The networks as the authors' notebooks build them in Keras: what Salus is measured against, and exports to.

Keras's own layers alone, named by Keras; nothing is shared with Salus's networks, so a comparison is with the code as
released.
"""

from __future__ import annotations

import keras
from keras import layers

ORIGINALS = ("unet", "sa-unet")
"""The networks that are released as code."""


def conv(
    x: keras.KerasTensor, filters: int, size: int = 3, strides: int = 1, activation: str = "relu"
) -> keras.KerasTensor:
    """A convolution as the notebooks write it."""
    return layers.Conv2D(filters, size, strides=strides, padding="same", activation=activation)(x)


def double(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Two 3x3 convolutions."""
    return conv(conv(x, filters), filters)


def attention(features: keras.KerasTensor, saliency: keras.KerasTensor, level: int) -> keras.KerasTensor:
    """The released attention block, its one channel copied 32 times."""
    pooled = layers.MaxPooling2D(2**level)(saliency)
    joined = layers.Add()([conv(pooled, 128, 1), conv(features, 128, 1, strides=2)])
    one = conv(conv(conv(joined, 128), 128), 1, 1)
    repeated = layers.Concatenate()([one] * 32)
    weights = layers.Activation("sigmoid")(conv(repeated, features.shape[-1], 1))
    return layers.Multiply()([weights, layers.MaxPooling2D()(features)])


def original(network: str, size: int = 256) -> keras.Model:
    """Build one of `ORIGINALS` as released: image, and for SA-U-Net saliency, (n, size, size, 1), to a probability.

    Example:
        >>> original("sa-unet").count_params()
        1912517
    """
    image = keras.Input((size, size, 1))
    saliency = keras.Input((size, size, 1))
    with_saliency = network == "sa-unet"
    maps, passed = [double(image, 32)], []
    for level, filters in ((1, 32), (2, 64), (3, 64), (4, 128)):
        down = attention(maps[-1], saliency, level) if with_saliency else layers.MaxPooling2D()(maps[-1])
        passed.append(down)
        maps.append(double(down, filters))
    skips = [maps[0], *passed[:3]] if with_saliency else maps[:4]
    x = maps[4]
    for level, filters in ((3, 64), (2, 64), (1, 32), (0, 32)):
        up = layers.Conv2DTranspose(filters, 2, strides=2)(x)
        x = double(layers.Concatenate()([up, skips[level]]), filters)
    probability = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32")(x)
    return keras.Model([image, saliency] if with_saliency else image, probability)
