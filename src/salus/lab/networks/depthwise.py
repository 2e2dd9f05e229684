"""Depthwise convolution as a sum of shifted copies, for JAX on a GPU.

    y[i, j, c] = sum over (a, b) of k[a, b, c] x[s i + a, s j + b, c] + bias[c]

XLA gives a convolution with as many groups as channels to cuDNN and tries its kernels one by one; with these layers
`segment_net` did not get done compiling in four minutes on an H200 beside other work. The sum compiles:
docs/how-to/train.md.
"""

from __future__ import annotations

import keras
from keras import layers, ops


class ShiftedDepthwise(layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` with padding "same", computed otherwise; weights and results are the same."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """(n, h, w, c) to (n, ceil(h / s), ceil(w / s), c), s the stride."""
        step = self.strides[0]
        (high, wide), sides = self.kernel_size, inputs.shape[1:3]
        out = [-(-side // step) for side in sides]
        beyond = [max((n - 1) * step + k - side, 0) for n, k, side in zip(out, self.kernel_size, sides, strict=True)]
        x = ops.pad(inputs, ((0, 0), *((total // 2, total - total // 2) for total in beyond), (0, 0)))
        reach = [(n - 1) * step + 1 for n in out]
        y = sum(
            x[:, a : a + reach[0] : step, b : b + reach[1] : step] * self.kernel[a, b, :, 0]
            for a in range(high)
            for b in range(wide)
        )
        return y + self.bias if self.use_bias else y


def depthwise(kernel: int, stride: int, use_bias: bool, name: str) -> layers.Layer:
    """A depthwise convolution with padding "same", in the form that is fastest on Keras's backend.

    Args:
        kernel: its height and width.
        stride: in both directions.
        use_bias: whether a bias is added.
        name: of the layer.
    """
    kind = ShiftedDepthwise if keras.backend.backend() == "jax" else layers.DepthwiseConv2D
    return kind(kernel, strides=stride, padding="same", use_bias=use_bias, name=name)
