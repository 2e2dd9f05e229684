"""Build the networks as the authors' notebooks do: Salus's own are compared with them, and exported to them.

They consist of Keras's own layers, named by Keras, and share nothing with Salus's networks, so that a comparison is
with the code as released.
"""

from __future__ import annotations

import keras
from keras import layers

ORIGINALS = ("unet", "sa-unet")
"""Networks that the authors released as code."""


def convolution(
    x: keras.KerasTensor, filters: int, size: int = 3, strides: int = 1, activation: str = "relu"
) -> keras.KerasTensor:
    """Build a convolution as the notebooks do."""
    return layers.Conv2D(filters, size, strides=strides, padding="same", activation=activation)(x)


def double_convolution(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Build two 3x3 convolutions."""
    return convolution(convolution(x, filters), filters)


def attention(features: keras.KerasTensor, saliency: keras.KerasTensor, level: int) -> keras.KerasTensor:
    """Build the released attention block, its one channel copied 32 times."""
    pooled = layers.MaxPooling2D(2**level)(saliency)
    joined = layers.Add()([convolution(pooled, 128, 1), convolution(features, 128, 1, strides=2)])
    one_channel = convolution(double_convolution(joined, 128), 1, 1)
    repeated = layers.Concatenate()([one_channel] * 32)
    weights = layers.Activation("sigmoid")(convolution(repeated, features.shape[-1], 1))
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
    levels, pooled = [double_convolution(image, 32)], []
    for level, filters in ((1, 32), (2, 64), (3, 64), (4, 128)):
        features = levels[-1]
        pooled.append(attention(features, saliency, level) if with_saliency else layers.MaxPooling2D()(features))
        levels.append(double_convolution(pooled[-1], filters))
    skips = [levels[0], *pooled[:3]] if with_saliency else levels[:4]
    x = levels[4]
    for level, filters in ((3, 64), (2, 64), (1, 32), (0, 32)):
        up = layers.Conv2DTranspose(filters, 2, strides=2)(x)
        x = double_convolution(layers.Concatenate()([up, skips[level]]), filters)
    probability = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32")(x)
    return keras.Model([image, saliency] if with_saliency else image, probability)
