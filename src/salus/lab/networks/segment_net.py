"""The network that `salus segment` ships: SA-U-Net's idea on a pretrained encoder, its saliency inside.

    saliency:   `saliency_net` on the image at half size: a map S at a quarter of the image's size
    encoder:    EfficientNet-Lite0 with batch norm folded; after every stage, stride 2 to 32, an attention block

        S_l = S at the stage's size          max-pooled where that is smaller, as in SA-U-Net
        I   = ReLU(1x1_k(S_l)) + ReLU(1x1_k(F_l))
        a   = 1x1_1(ReLU(3x3_k(I)))          no ReLU before the sigmoid: the fault of the released block is mended
        O_l = 2 sigmoid(a) F_l               starts as the identity, so that the pretrained stages see what they know

    decoder:    four times: bilinear 2x, joined by O_l, 1x1 and 3x3, each with ReLU
    out:        probability = sigmoid(3x3 at half size, then bilinear 2x)
                presence = sigmoid(dense(ReLU(dense(mean of O_32)))): that the image shows a tumour at all

The saliency is trained in the same run by a loss of its own and no other: no gradient passes from the outline to the
map, which so remains a map of where a tumour is. (Vakanski, Xian & Freer 2020, section 3, for the block.)
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
    """Its input, through which no gradient passes."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """The input."""
        return ops.stop_gradient(inputs)


def attention(features: keras.KerasTensor, saliency: keras.KerasTensor, stride: int) -> keras.KerasTensor:
    """The attention block of one stage; see the head of this file.

    Args:
        features: (n, h, w, c).
        saliency: (n, h, w, 1), of the same height and width.
        stride: of the stage, for the names of the layers.
    """
    seen = layers.Conv2D(FILTERS, 1, activation="relu", name=f"attention{stride}_features")(features)
    told = layers.Conv2D(FILTERS, 1, activation="relu", name=f"attention{stride}_saliency")(saliency)
    x = layers.Add(name=f"attention{stride}_both")([seen, told])
    x = layers.Conv2D(FILTERS, 3, padding="same", activation="relu", name=f"attention{stride}_mix")(x)
    zero = {"kernel_initializer": "zeros", "bias_initializer": "zeros"}
    a = layers.Conv2D(1, 1, activation="sigmoid", name=f"attention{stride}", **zero)(x)
    twice = layers.Rescaling(2.0, name=f"attention{stride}_twice")(a)
    return layers.Multiply(name=f"attention{stride}_weighed")([features, twice])


def segment_net(
    size: int = SIZE,
    weights: Path | None = None,
    dropout: float = 0.2,
    attended: bool = True,
    folded: bool = True,
) -> keras.Model:
    """Build the network.

    Args:
        size: height and width, a multiple of 32.
        weights: both encoders' ImageNet weights; None draws them at random.
        dropout: of the deepest features while training.
        attended: with the attention blocks; without them the saliency is an output and no more.
        folded: the outline's encoder without batch norm, as it ships.

    Returns:
        Image (n, size, size, 1) in [0, 1] to a dict: "probability" (n, size, size, 1), "saliency"
        (n, size/4, size/4, 1), "presence" (n, 1), each in [0, 1], and "features" (n, 512), the means of all stages.
    """
    image = keras.Input((size, size, 1), name="image")
    where = saliency_net(size // 2, weights)(layers.AveragePooling2D(2, name="half")(image))
    told = Detach(name="saliency_only")(where)

    def attend(features: keras.KerasTensor, stride: int) -> keras.KerasTensor:
        if stride == 2:
            at = layers.UpSampling2D(2, interpolation="bilinear", name="saliency2")(told)
        else:
            at = layers.MaxPooling2D(stride // 4, name=f"saliency{stride}")(told) if stride > 4 else told
        return attention(features, at, stride)

    skips = efficientnet_lite0(image, weights=weights, folded=folded, between=attend if attended else None)
    means = [layers.GlobalAveragePooling2D(name=f"mean{2**n}")(skip) for n, skip in enumerate(skips, 1)]
    features = layers.Concatenate(name="features")(means)
    context = layers.Dense(CONTEXT, activation="relu", name="context")(means[-1])
    presence = layers.Dense(1, activation="sigmoid", dtype="float32", name="presence")(context)
    x = layers.Dropout(dropout, name="deep_drop")(skips[-1])
    for filters, skip, stride in zip(DECODER, skips[-2::-1], (16, 8, 4, 2), strict=True):
        x = layers.Conv2D(filters, 1, name=f"deep{stride}")(x)  # before enlarging, where it costs a quarter
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{stride}")(x)
        same = layers.Conv2D(filters, 1, name=f"skip{stride}")(skip)
        x = layers.ReLU(name=f"mix{stride}")(layers.Add(name=f"join{stride}")([x, same]))
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"dec{stride}")(x)
    logit = layers.Conv2D(1, 3, padding="same", dtype="float32", name="logit")(x)
    logit = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32", name="up1")(logit)
    probability = layers.Activation("sigmoid", dtype="float32", name="probability")(logit)
    found = {"probability": probability, "saliency": where, "presence": presence, "features": features}
    return keras.Model(image, found, name="segment_net")
