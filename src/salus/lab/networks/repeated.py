"""Convolve one channel repeated r times by a 1x1 kernel, without repeating it.

The released attention block copies its one-channel map 32 times and convolves the copies with a 1x1 kernel W:

    y_k = Σ_r W_rk a + b_k = a Σ_r W_rk + b_k

so summing the kernel over r gives the same result from 1/r of the memory traffic and arithmetic. The kernel keeps its
published shape (1, 1, r, k): the parameters count as published and the authors' weights fit.
"""

from __future__ import annotations

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="salus")
class RepeatedConv1x1(layers.Layer):
    """Compute sigmoid(ReLU(1x1_k(repeat(a, r)))): (n, h, w, 1) to (n, h, w, k), values in [0.5, 1).

    Args:
        filters: k, number of output channels.
        repeats: r, number of copies in the published block.
        rectify: with the ReLU before the sigmoid, as released; without it values are in (0, 1).
    """

    def __init__(self, filters: int, repeats: int, rectify: bool = True, **options: object) -> None:
        super().__init__(**options)
        self.filters, self.repeats, self.rectify = filters, repeats, rectify

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel (1, 1, r, k), Glorot-uniform, and the bias (k,), zero, as in the published layer."""
        self.kernel = self.add_weight(shape=(1, 1, self.repeats, self.filters), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Convolve with the summed kernel, add the bias, ReLU where released, sigmoid."""
        kernel = ops.sum(self.kernel, axis=2, keepdims=True)
        linear = ops.conv(inputs, kernel) + self.bias
        return ops.sigmoid(ops.relu(linear) if self.rectify else linear)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, h, w, k)."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, object]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters, "repeats": self.repeats, "rectify": self.rectify}
