"""Build the network of the learned saliency: where a tumour is in a small image, a calibrated probability at half size.

    EfficientNet-Lite0 encoder (ImageNet weights to start from, batch norm folded), features at strides 2, 4, 8, 16
    place:    a learned vector at each of the deepest positions is added: tumours are rare at the bottom
    context:  g = ReLU(1x1(mean over the image of f16)), added to 1x1(f16): whether there is a tumour at all is seen in
              the whole image
    decoder:  three times: bilinear 2x, joined by the skip, then 1x1 and 3x3, each with ReLU
    map:      sigmoid(3x3 + v ln P), at half of the input's size; P the location prior, joined after training: it
              decides where the network is undecided

About a million parameters and 0.2 GFLOP at 128 x 128: a map costs a few milliseconds on one core.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

from salus.lab.networks.efficientnet_lite import efficientnet_lite0

SIZE = 128
"""Height and width of the input: location needs no more, and the published maps hold about 270 superpixels."""

CONTEXT = 96
MIN_PRIOR = 1e-3
"""Smallest value of the location prior, so that no place is ruled out."""

DECODER = (64, 48, 32)
"""Filters of the decoder at strides 8, 4 and 2."""


@keras.saving.register_keras_serializable(package="salus")
class Place(layers.Layer):
    """Add a learned bias at each position and channel, zero at first: (n, h, w, k) to the same.

    Keras finds the weights in .weights.h5 files by the names of classes: this one keeps its name.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the values, (h, w, k)."""
        self.values = self.add_weight(shape=input_shape[1:], initializer="zeros", name="values")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Add the values."""
        return inputs + self.values


def join_prior(model: keras.Model, prior: np.ndarray, weight: float) -> keras.Model:
    """Add the location prior to the network's logit: σ(logit + weight ln P).

    P has maximum 1, so a map is lowered where tumours are rare, and raised nowhere.

    Args:
        model: of `saliency_net`.
        prior: (h, w) in [0, 1] of the map's size, maximum 1.
        weight: v, 0 or more.
    """
    bias = Place(dtype="float32", name="prior")
    saliency = layers.Activation("sigmoid", dtype="float32", name="saliency")(bias(model.get_layer("logit").output))
    bias.set_weights([weight * np.log(np.clip(prior, MIN_PRIOR, 1))[..., None]])
    return keras.Model(model.input, saliency, name=model.name)


def saliency_net(size: int = SIZE, weights: Path | None = None, dropout: float = 0.2) -> keras.Model:
    """Build the network: image (n, size, size, 1) in [0, 1] to saliency (n, size / 2, size / 2, 1) in [0, 1].

    Args:
        size: height and width, a multiple of 16.
        weights: the encoder's ImageNet weights; None draws random ones.
        dropout: rate at the deepest features while training.
    """
    image = keras.Input((size, size, 1), name="image")
    f2, f4, f8, f16 = efficientnet_lite0(image, weights=weights, last_stride=16, folded=True)
    g = layers.GlobalAveragePooling2D(keepdims=True, name="context_mean")(f16)
    g = layers.Conv2D(CONTEXT, 1, activation="relu", name="context")(g)
    x = Place(name="place")(layers.Conv2D(CONTEXT, 1, name="deep")(f16))
    x = layers.Add(name="deep_add")([x, g])
    x = layers.Dropout(dropout, name="deep_drop")(layers.ReLU(name="deep_relu")(x))
    for filters, skip, stride in zip(DECODER, (f8, f4, f2), (8, 4, 2), strict=True):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{stride}")(x)
        x = layers.Concatenate(name=f"join{stride}")([x, skip])
        x = layers.Conv2D(filters, 1, activation="relu", name=f"mix{stride}")(x)
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"dec{stride}")(x)
    logit = layers.Conv2D(1, 3, padding="same", dtype="float32", name="logit")(x)
    saliency = layers.Activation("sigmoid", dtype="float32", name="saliency")(logit)
    return keras.Model(image, saliency, name="saliency_net")
