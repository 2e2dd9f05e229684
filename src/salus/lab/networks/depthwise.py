"""Compute a depthwise convolution as a sum of shifted copies, for JAX on a GPU.

    y[i, j, c] = sum over (a, b) of k[a, b, c] x[s i + a, s j + b, c] + bias[c]

XLA gives a convolution with as many groups as channels to cuDNN and tries its kernels one by one: with Keras's own
layer, `segment_net` was not compiled after four minutes on an H200 that did other work too. The sum compiles; see
docs/how-to/train.md.
"""

from __future__ import annotations

import keras
from keras import layers, ops


class ShiftedDepthwise(layers.DepthwiseConv2D):
    """Compute `keras.layers.DepthwiseConv2D` with padding "same" as a sum; weights and results are the same."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Convolve: (n, h, w, c) to (n, ceil(h / s), ceil(w / s), c), s the stride."""
        stride = self.strides[0]
        (kernel_height, kernel_width), sides = self.kernel_size, inputs.shape[1:3]
        out = [-(-side // stride) for side in sides]
        padding = [max((n - 1) * stride + k - side, 0) for n, k, side in zip(out, self.kernel_size, sides, strict=True)]
        x = ops.pad(inputs, ((0, 0), *((total // 2, total - total // 2) for total in padding), (0, 0)))
        reach = [(n - 1) * stride + 1 for n in out]
        y = sum(
            x[:, a : a + reach[0] : stride, b : b + reach[1] : stride] * self.kernel[a, b, :, 0]
            for a in range(kernel_height)
            for b in range(kernel_width)
        )
        return y + self.bias if self.use_bias else y


def depthwise(kernel: int, stride: int, use_bias: bool, name: str) -> layers.Layer:
    """Make a depthwise convolution with padding "same", in the form that is fastest on Keras's backend.

    Args:
        kernel: its height and width.
        stride: in both directions.
        use_bias: whether a bias is added.
        name: of the layer.
    """
    kind = ShiftedDepthwise if keras.backend.backend() == "jax" else layers.DepthwiseConv2D
    return kind(kernel, strides=stride, padding="same", use_bias=use_bias, name=name)
