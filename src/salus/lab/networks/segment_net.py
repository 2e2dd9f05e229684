"""Build the network of `salus segment`: SA-U-Net's idea on a pretrained encoder, with the saliency inside.

    saliency:   `saliency_net` on the image at half size: a map S at a quarter of the image's size
    encoder:    EfficientNet-Lite0 with batch norm folded; after every stage, stride 2 to 32, an attention block

        S_l = S at the stage's size          max-pooled where that is smaller, as in SA-U-Net
        I   = ReLU(1x1_k(S_l)) + ReLU(1x1_k(F_l))
        a   = 1x1_1(ReLU(3x3_k(I)))          no ReLU before the sigmoid: the fault of the released block is mended
        O_l = 2 sigmoid(a) F_l               starts as the identity, so that the pretrained stages work from the start

    decoder:    four times: bilinear 2x, joined by O_l, 1x1 and 3x3, each with ReLU
    out:        probability = sigmoid(3x3 at half size, then bilinear 2x)
                presence = sigmoid(dense(ReLU(dense(mean of O_32)))): that the image shows a tumour at all

The saliency is trained at the same time by its own loss alone: no gradient passes from the probability to the map,
which so remains a map of where a tumour is. The block is that of Vakanski, Xian & Freer 2020, section 3.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers, ops

from salus.lab.networks.efficientnet_lite import efficientnet_lite0
from salus.lab.networks.saliency_net import saliency_net

SIZE = 256
"""Height and width of the input."""

FILTERS = 16
"""k of the attention blocks."""

DECODER = (128, 64, 48, 32)
"""Filters of the decoder at strides 16, 8, 4 and 2."""

CONTEXT = 64
"""Units between the deepest features and the presence of a tumour."""

OUTPUTS = ("probability", "saliency", "presence", "features")


@keras.saving.register_keras_serializable(package="salus")
class Detach(layers.Layer):
    """Pass the input on, and stop its gradient."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the input, without a gradient."""
        return ops.stop_gradient(inputs)


def attention(features: keras.KerasTensor, saliency: keras.KerasTensor, stride: int) -> keras.KerasTensor:
    """Build the attention block of one stage; see the head of this file.

    Args:
        features: (n, h, w, c), F_l.
        saliency: (n, h, w, 1), S_l.
        stride: of the stage, for the names of the layers.

    Returns:
        (n, h, w, c), O_l.
    """
    name = f"attention{stride}"
    from_features = layers.Conv2D(FILTERS, 1, activation="relu", name=f"{name}_features")(features)
    from_saliency = layers.Conv2D(FILTERS, 1, activation="relu", name=f"{name}_saliency")(saliency)
    i = layers.Add(name=f"{name}_both")([from_features, from_saliency])
    hidden = layers.Conv2D(FILTERS, 3, padding="same", activation="relu", name=f"{name}_mix")(i)
    zero = {"kernel_initializer": "zeros", "bias_initializer": "zeros"}
    weights = layers.Conv2D(1, 1, activation="sigmoid", name=name, **zero)(hidden)
    weights = layers.Rescaling(2.0, name=f"{name}_twice")(weights)
    return layers.Multiply(name=f"{name}_weighed")([features, weights])


def resize_saliency(saliency: keras.KerasTensor, stride: int) -> keras.KerasTensor:
    """Resize the map from stride 4 to the stride of a stage: bilinear 2x to 2, max-pooled to 8 and more."""
    if stride == 2:
        return layers.UpSampling2D(2, interpolation="bilinear", name="saliency2")(saliency)
    return layers.MaxPooling2D(stride // 4, name=f"saliency{stride}")(saliency) if stride > 4 else saliency


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


def segment_net(
    size: int = SIZE,
    weights: Path | None = None,
    dropout: float = 0.2,
    with_attention: bool = True,
    folded: bool = True,
) -> keras.Model:
    """Build the network.

    Args:
        size: height and width, a multiple of 32.
        weights: both encoders' ImageNet weights; None draws random ones.
        dropout: rate at the deepest features while training.
        with_attention: with the attention blocks; without them the saliency is an output only.
        folded: without batch norm in the main encoder, as in the shipped network.

    Returns:
        Image (n, size, size, 1) in [0, 1] to a dict: "probability" (n, size, size, 1), "saliency"
        (n, size/4, size/4, 1), "presence" (n, 1), each in [0, 1], and "features" (n, 512), the means of all stages.
    """
    image = keras.Input((size, size, 1), name="image")
    saliency = saliency_net(size // 2, weights)(layers.AveragePooling2D(2, name="half")(image))
    detached = Detach(name="saliency_only")(saliency)

    def attend(features: keras.KerasTensor, stride: int) -> keras.KerasTensor:
        return attention(features, resize_saliency(detached, stride), stride)

    skips = efficientnet_lite0(image, weights=weights, folded=folded, between=attend if with_attention else None)
    features, presence = pool_stages(skips)
    probability, _ = decode(skips, dropout)
    outputs = {"probability": probability, "saliency": saliency, "presence": presence, "features": features}
    return keras.Model(image, outputs, name="segment_net")
