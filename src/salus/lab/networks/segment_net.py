"""Build a plain segmentation network on a pretrained encoder, for images alone, and the parts it shares.

    encoder:    EfficientNet-Lite0 with batch norm folded
    decoder:    four times: bilinear 2x, joined by the encoder's features, 1x1 and 3x3, each with ReLU
    out:        probability = sigmoid(3x3 at half size, then bilinear 2x)
                saliency = sigmoid(1x1 of the decoder at a quarter of the size), where a tumour is, coarsely
                presence = sigmoid(dense(ReLU(dense(mean of the deepest features)))): that the image shows a tumour

`salus.lab.networks.promptable_net` has the same decoder and outputs, and attention blocks that take a person's prompt.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from salus.lab.networks.efficientnet_lite import efficientnet_lite0

SIZE = 256
"""Height and width of the input."""

DECODER = (128, 64, 48, 32)
"""Filters of the decoder at strides 16, 8, 4 and 2."""

CONTEXT = 64
"""Units between the deepest features and the presence of a tumour."""

SALIENCY_STRIDE = 4
"""Size of the image over that of the saliency output."""

OUTPUTS = ("probability", "saliency", "presence", "features")


def pool_stages(skips: list[keras.KerasTensor]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Build the outputs that come from means over the image.

    Args:
        skips: of the encoder, at strides 2 to 32.

    Returns:
        The means of all stages, (n, 512), and the presence of a tumour, (n, 1) in [0, 1].
    """
    means = [layers.GlobalAveragePooling2D(name=f"mean{2**n}")(skip) for n, skip in enumerate(skips, 1)]
    features = layers.Concatenate(name="features")(means)
    context = layers.Dense(CONTEXT, activation="relu", name="context")(means[-1])
    return features, layers.Dense(1, activation="sigmoid", dtype="float32", name="presence")(context)


def decode(skips: list[keras.KerasTensor], dropout: float) -> tuple[keras.KerasTensor, dict[int, keras.KerasTensor]]:
    """Build the decoder.

    Args:
        skips: of the encoder, at strides 2 to 32.
        dropout: rate at the deepest features while training.

    Returns:
        The probability, (n, size, size, 1) in [0, 1], and the decoder's features by stride.
    """
    x = layers.Dropout(dropout, name="deep_drop")(skips[-1])
    decoded = {}
    for filters, skip, stride in zip(DECODER, skips[-2::-1], (16, 8, 4, 2), strict=True):
        x = layers.Conv2D(filters, 1, name=f"deep{stride}")(x)  # before enlarging, where it costs a quarter
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{stride}")(x)
        skip = layers.Conv2D(filters, 1, name=f"skip{stride}")(skip)
        x = layers.ReLU(name=f"mix{stride}")(layers.Add(name=f"join{stride}")([x, skip]))
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"dec{stride}")(x)
        decoded[stride] = x
    logit = layers.Conv2D(1, 3, padding="same", dtype="float32", name="logit")(x)
    logit = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32", name="up1")(logit)
    return layers.Activation("sigmoid", dtype="float32", name="probability")(logit), decoded


def add_outputs(skips: list[keras.KerasTensor], dropout: float) -> dict[str, keras.KerasTensor]:
    """Build the decoder and all outputs on the encoder's features.

    Args:
        skips: of the encoder, at strides 2 to 32.
        dropout: rate at the deepest features while training.

    Returns:
        "probability" (n, size, size, 1), "saliency" (n, size/4, size/4, 1) and "presence" (n, 1), each in [0, 1], and
        "features" (n, 512), the means of all stages.
    """
    features, presence = pool_stages(skips)
    probability, decoded = decode(skips, dropout)
    saliency = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="saliency")(decoded[SALIENCY_STRIDE])
    return dict(zip(OUTPUTS, (probability, saliency, presence, features), strict=True))


def in_file_order(model: keras.Model) -> keras.Model:
    """Give a network its outputs in the order of `OUTPUTS`: the order of the weights in network files follows from it.

    Keras orders a model's weights by its outputs, and those of a dict by their names.

    Args:
        model: of `segment_net`, `promptable_net`, or one of these with more outputs.

    Returns:
        A model with the same weights and these outputs as a list.
    """
    return keras.Model(model.input, [model.output[name] for name in OUTPUTS])


def segment_net(size: int = SIZE, weights: Path | None = None, dropout: float = 0.2) -> keras.Model:
    """Build the network.

    Args:
        size: height and width, a multiple of 32.
        weights: the encoder's ImageNet weights; None draws random ones.
        dropout: rate at the deepest features while training.

    Returns:
        A model of an image (n, size, size, 1) in [0, 1] to a dict, see `add_outputs`.
    """
    image = keras.Input((size, size, 1), name="image")
    skips = efficientnet_lite0(image, weights=weights, folded=True)
    return keras.Model(image, add_outputs(skips, dropout), name="segment_net")
