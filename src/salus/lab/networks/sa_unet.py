"""Build SA-U-Net of Vakanski, Xian & Freer (2020): saliency weighs the encoder's features at every level by attention.

Level n (n = 1..4) passes its features F to the next level as O, through attention block n with the saliency map S:

    S_n = max-pool of S by 2^n
    I   = ReLU(1x1_128(S_n)) + ReLU(1x1_128, stride 2 (F))
    a   = ReLU(1x1_1(ReLU(3x3_128(ReLU(3x3_128(I))))))               one channel
    released:  A = sigmoid(ReLU(1x1_k(a repeated 32 times)))         k channels, 1,912,517 parameters in all
    figure:    A = sigmoid(1x1_1(...)), a itself without the ReLU    one channel
    mended:    A = sigmoid(1x1_k(a repeated 32 times)), a without    k channels, the released form's parameters
    O   = A * pool(F)

and the decoder's skips are (c1, O1, O2, O3) in the released code and mended, (c1, c2, c3, c4) in the paper's figure.

The ReLU before the sigmoid in the released form keeps A in [0.5, 1): it can halve a feature, never suppress it; and
where the ReLU of `a` is dead, saliency has no effect and gets no gradient. The mended form is the released one without
both.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from salus.lab.networks.repeated import RepeatedConv1x1
from salus.lab.networks.unet import FILTERS, block, decoder

FORMS = ("released", "figure", "mended")
"""The authors' released code, the paper's figure and text, and the released code less the faults of its attention."""

ATTENTION_FILTERS = 128

REPEATS = 32
"""Copies of the one-channel map in the released block."""


def attention(
    features: keras.KerasTensor, saliency: keras.KerasTensor, level: int, form: str = "released"
) -> keras.KerasTensor:
    """Build attention block n: weigh a level's pooled features by saliency.

    Args:
        features: (n, h, w, k), F, before pooling.
        saliency: (n, h * 2^(level-1), w * 2^(level-1), 1), S at full size.
        level: n, 1 to 4.
        form: one of `FORMS`.

    Returns:
        (n, h/2, w/2, k), O.
    """
    k, name = features.shape[-1], f"att{level}"

    def conv(x: keras.KerasTensor, filters: int, size: int, part: str, **options: object) -> keras.KerasTensor:
        options = {"activation": "relu", **options}
        return layers.Conv2D(filters, size, padding="same", name=f"{name}_{part}", **options)(x)

    s_n = layers.MaxPooling2D(2**level, name=f"{name}_pool_saliency")(saliency)
    i = layers.Add(name=f"{name}_add")(
        [
            conv(s_n, ATTENTION_FILTERS, 1, "saliency"),
            conv(features, ATTENTION_FILTERS, 1, "features", strides=2),
        ]
    )
    hidden = conv(conv(i, ATTENTION_FILTERS, 3, "a"), ATTENTION_FILTERS, 3, "b")
    if form == "released":
        a = conv(hidden, 1, 1, "one")
        weights = RepeatedConv1x1(k, REPEATS, name=f"{name}_repeat")(a)
    elif form == "mended":
        a = conv(hidden, 1, 1, "one", activation=None)
        weights = RepeatedConv1x1(k, REPEATS, rectify=False, name=f"{name}_repeat")(a)
    else:
        weights = conv(hidden, 1, 1, "one", activation="sigmoid")
    pooled = layers.MaxPooling2D(name=f"pool{level}")(features)
    return layers.Multiply(name=f"{name}_weigh")([weights, pooled])


def sa_unet(size: int = 256, form: str = "released", filters: Sequence[int] = FILTERS) -> keras.Model:
    """Build the SA-U-Net: image and saliency, each (n, size, size, 1) in [0, 1], to probability (n, size, size, 1).

    Args:
        size: height and width, a multiple of 16.
        form: one of `FORMS`.
        filters: of the five levels, finest first.

    Raises:
        ValueError: an unknown form.

    Example:
        >>> sa_unet().count_params()
        1912517
    """
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r} of SA-U-Net; choose one of {', '.join(FORMS)}")
    image = keras.Input((size, size, 1), name="image")
    saliency = keras.Input((size, size, 1), name="saliency")
    c1 = block(image, filters[0], "c1")
    o1 = attention(c1, saliency, 1, form)
    c2 = block(o1, filters[1], "c2")
    o2 = attention(c2, saliency, 2, form)
    c3 = block(o2, filters[2], "c3")
    o3 = attention(c3, saliency, 3, form)
    c4 = block(o3, filters[3], "c4")
    o4 = attention(c4, saliency, 4, form)
    c5 = block(o4, filters[4], "c5")
    skips = (c1, c2, c3, c4) if form == "figure" else (c1, o1, o2, o3)
    name = "sa_unet" if form == "released" else f"sa_unet_{form}"
    return keras.Model([image, saliency], decoder(c5, skips, filters), name=name)
