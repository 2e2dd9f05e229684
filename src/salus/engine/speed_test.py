"""Measure which precision OpenVINO computes faster in on this processor.

The test is a block of the shipped network (convolutions 3 x 3 and 1 x 1, one for each channel, 64 x 64 pixels) and a
matrix product, on one thread: that decides it, and takes a third of a second. It is kept; see `salus.precision`.
"""

from __future__ import annotations

from typing import Any

from salus.precision import PrecisionTimes, measure_once, package_versions, read_measurement, time_in_turn

SUBJECT = "openvino"
"""Name of the measurement in the user's cache folder."""

SIDE, CHANNELS, WIDE = 64, 48, 192
HINTS = {"float32": "f32", "bfloat16": "bf16"}


def measure_precisions(again: bool = False) -> PrecisionTimes:
    """Return how long a block takes in each precision; measured once for this processor and these versions.

    Args:
        again: measure in any case.
    """
    return measure_once(SUBJECT, package_versions(SUBJECT), _measure, again=again)


def earlier_measurement() -> PrecisionTimes | None:
    """Return what was measured before, without loading OpenVINO; None where nothing was."""
    return read_measurement(SUBJECT, package_versions(SUBJECT))


def _measure() -> dict[str, float]:
    import numpy as np

    from salus.engine.openvino_import import import_openvino

    openvino = import_openvino()
    core = openvino.Core()
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    image = np.random.default_rng(0).random((1, CHANNELS, SIDE, SIDE), np.float32)
    calls = {}
    for precision, hint in HINTS.items():
        if precision == "float32" or has_bfloat16:
            compiled = core.compile_model(_build_block(), "CPU", options | {"INFERENCE_PRECISION_HINT": hint})
            request = compiled.create_infer_request()
            calls[precision] = lambda request=request: request.infer([image])
    return time_in_turn(calls)


def _build_block() -> Any:
    """Build the network that is timed; random weights."""
    import numpy as np
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(1)

    def weights(*shape: int) -> Any:
        return ops.constant((rng.standard_normal(shape) * 0.05).astype(np.float32))

    def convolve(x: Any, outputs: int, inputs: int, side: int) -> Any:
        pad = [side // 2] * 2
        return ops.relu(ops.convolution(x, weights(outputs, inputs, side, side), [1, 1], pad, pad, [1, 1]))

    image = ops.parameter([1, CHANNELS, SIDE, SIDE], np.float32)
    x = convolve(convolve(image, CHANNELS, CHANNELS, 3), WIDE, CHANNELS, 1)
    x = ops.relu(ops.group_convolution(x, weights(WIDE, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]))
    x = convolve(x, CHANNELS, WIDE, 1)
    rows = CHANNELS * SIDE * SIDE // 512
    product = ops.matmul(ops.reshape(x, ops.constant(np.array([rows, 512])), False), weights(512, 512), False, False)
    return openvino.Model([product], [image])
