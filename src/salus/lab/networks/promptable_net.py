"""Build the network that takes a person's prompt: SA-U-Net's salient attention on a pretrained encoder.

    prompt:     a map P in [-1, 1] of the image's size: positive where a reader points at the lesion, negative where
                there is none, 0 without a prompt (rendered by `salus.prompts`)
    encoder:    EfficientNet-Lite0 with batch norm folded; after every stage, stride 2 to 32, an attention block

        P_l = [max-pool(max(P, 0)), max-pool(max(-P, 0))]      to the stage's size, as SA-U-Net pools its saliency
        N_l = F_l / sqrt(mean over the channels of F_l^2)      the stage's features, each position scaled to one size
        I   = ReLU(1x1_k(N_l) + 1x1_k(P_l))
        a   = 1x1_1(ReLU(3x3_k(I)))
        O_l = 2 sigmoid(a) F_l

    decoder:    four times: bilinear 2x, joined by O_l, 1x1 and 3x3, each with ReLU
    out:        probability = sigmoid(3x3 at half size, then bilinear 2x)
                saliency = sigmoid(1x1 of the decoder at a quarter of the size), where a tumour is, coarsely
                presence = sigmoid(dense(ReLU(dense(mean of O_32)))): that the image shows a tumour at all

The blocks have ordinary initial weights and are trained from the first step. Blocks that start as the identity on a
trained network learn to ignore the map. So do blocks on features that are not scaled: without batch norm a stage's
features have a standard deviation of 6 to 25, beside which a map in [0, 1] is nothing, and the sigmoid saturates.
(Vakanski, Xian & Freer 2020, section 3, for the block; Zhang & Sennrich 2019 for the scaling.)
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from salus.lab.networks.efficientnet_lite import efficientnet_lite0, load_encoder
from salus.lab.networks.segment_net import SIZE, add_outputs

FILTERS = 32
"""k of the attention blocks."""


def attention(features: keras.KerasTensor, maps: keras.KerasTensor, stride: int) -> keras.KerasTensor:
    """Build the attention block of one stage; see the head of this file.

    Args:
        features: (n, h, w, c).
        maps: (n, h, w, 2), the prompt's positive and negative part at the stage's size.
        stride: of the stage, for the names of the layers.
    """
    name = f"attention{stride}"
    x = layers.UnitNormalization(name=f"{name}_unit")(features)
    x = layers.Rescaling(features.shape[-1] ** 0.5, name=f"{name}_scale")(x)
    x = layers.Conv2D(FILTERS, 1, name=f"{name}_features")(x)
    prompt = layers.Conv2D(FILTERS, 1, use_bias=False, name=f"{name}_prompt")(maps)
    x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([x, prompt]))
    x = layers.Conv2D(FILTERS, 3, padding="same", activation="relu", name=f"{name}_mix")(x)
    weight = layers.Conv2D(1, 1, activation="sigmoid", name=name)(x)
    weight = layers.Rescaling(2.0, name=f"{name}_twice")(weight)
    return layers.Multiply(name=f"{name}_weighted")([features, weight])


def promptable_net(size: int = SIZE, weights: Path | None = None, dropout: float = 0.2) -> keras.Model:
    """Build the network.

    Args:
        size: height and width of the input, a multiple of 32.
        weights: the encoder's ImageNet weights; None draws random ones.
        dropout: rate at the deepest features while training.

    Returns:
        A model of {"image": (n, size, size, 1) in [0, 1], "prompt": (n, size, size, 1) in [-1, 1]} to a dict, see
        `salus.lab.networks.segment_net.add_outputs`.
    """
    image = keras.Input((size, size, 1), name="image")
    prompt = keras.Input((size, size, 1), name="prompt")
    inside = layers.ReLU(name="prompt_inside")(prompt)
    outside = layers.ReLU(name="prompt_outside")(layers.Rescaling(-1.0, name="prompt_negated")(prompt))
    maps = layers.Concatenate(name="prompt_maps")([inside, outside])

    def attend(features: keras.KerasTensor, stride: int) -> keras.KerasTensor:
        return attention(features, layers.MaxPooling2D(stride, name=f"prompt{stride}")(maps), stride)

    skips = efficientnet_lite0(image, folded=True, between=attend)
    outputs = add_outputs(skips, dropout)
    model = keras.Model({"image": image, "prompt": prompt}, outputs, name="promptable_net")
    if weights is not None:
        load_encoder(model, weights)
    return model
