"""SA-U-Net of Vakanski, Xian & Freer (2020): saliency weighs the encoder's maps at every level by attention.

Level n (n = 1..4) passes its maps F to the next level as O, through attention block n with the saliency map S:

    S_n = max-pool of S by 2^n
    I   = ReLU(1x1_128(S_n)) + ReLU(1x1_128, stride 2 (F))
    a   = ReLU(1x1_1(ReLU(3x3_128(ReLU(3x3_128(I))))))               one channel
    released:  A = sigmoid(ReLU(1x1_k(a repeated 32 times)))         k channels, 1,912,517 parameters in all
    figure:    A = sigmoid(1x1_1(...)), a itself without the ReLU    one channel
    mended:    A = sigmoid(1x1_k(a repeated 32 times)), a without    k channels, the released form's parameters
    O   = A * pool(F)

and the decoder's skips are (c1, O1, O2, O3) in the released code and mended, (c1, c2, c3, c4) in the paper's figure.

The released form's ReLU before the sigmoid keeps A in [0.5, 1): it can halve a feature, never suppress it; and where
the ReLU of `a` is dead, saliency has no effect and gets no gradient. The mended form is the released one less both.
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


def attention(
    features: keras.KerasTensor, saliency: keras.KerasTensor, level: int, form: str = "released"
) -> keras.KerasTensor:
    """Attention block: weigh a level's pooled maps by saliency.

    Args:
        features: (n, h, w, k), F_n, before pooling.
        saliency: (n, h * 2^(level-1), w * 2^(level-1), 1), S at full size.
        level: n, 1 to 4.
        form: one of `FORMS`.

    Returns:
        (n, h/2, w/2, k), O_n.
    """
    k, name = features.shape[-1], f"att{level}"

    def conv(x: keras.KerasTensor, filters: int, size: int, part: str, **more: object) -> keras.KerasTensor:
        more = {"activation": "relu", **more}
        return layers.Conv2D(filters, size, padding="same", name=f"{name}_{part}", **more)(x)

    pooled = layers.MaxPooling2D(2**level, name=f"{name}_pool_saliency")(saliency)
    joined = layers.Add(name=f"{name}_add")(
        [
            conv(pooled, ATTENTION_FILTERS, 1, "saliency"),
            conv(features, ATTENTION_FILTERS, 1, "features", strides=2),
        ]
    )
    hidden = conv(conv(joined, ATTENTION_FILTERS, 3, "a"), ATTENTION_FILTERS, 3, "b")
    if form == "released":
        weights = RepeatedConv1x1(k, REPEATS, name=f"{name}_repeat")(conv(hidden, 1, 1, "one"))
    elif form == "mended":
        one = conv(hidden, 1, 1, "one", activation=None)
        weights = RepeatedConv1x1(k, REPEATS, rectify=False, name=f"{name}_repeat")(one)
    else:
        weights = conv(hidden, 1, 1, "one", activation="sigmoid")
    return layers.Multiply(name=f"{name}_weigh")([weights, layers.MaxPooling2D(name=f"pool{level}")(features)])


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
    maps, weighed = [block(image, filters[0], "c1")], []
    for level in (1, 2, 3, 4):
        weighed.append(attention(maps[-1], saliency, level, form))
        maps.append(block(weighed[-1], filters[level], f"c{level + 1}"))
    skips = maps[:4] if form == "figure" else [maps[0], *weighed[:3]]
    name = "sa_unet" if form == "released" else f"sa_unet_{form}"
    return keras.Model([image, saliency], decoder(maps[4], skips, filters), name=name)
