"""A network that OpenVINO runs on the processor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.engine.network import BFLOAT16_HOLDS, SETTINGS, parse_settings, unreadable_network
from salus.engine.openvino_import import import_openvino

if TYPE_CHECKING:
    import numpy as np


class OpenVinoNetwork:
    """A network that OpenVINO runs on the processor.

    Args:
        path: the file.
        threads: processor threads of all inferences together; None takes all cores.
        precision: "float32"; "bfloat16" where the processor has it; or "auto", which is bfloat16 where it was measured
            to be faster here and the file's settings say that the network's result stays the same.
        streams: number of inferences that run at a time.
        images_a_call: told the file's settings, returns the number of images that one inference takes; larger batches
            are split, smaller ones padded. None leaves the number free, at more time and memory.

    Raises:
        SalusError: the file is damaged.
    """

    engine = "openvino"

    def __init__(
        self,
        path: Path,
        threads: int | None,
        precision: str,
        streams: int,
        images_a_call: Callable[[dict[str, Any]], int] | None,
    ) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        self.images_a_call: int | None = None
        try:
            model = core.read_model(path)
            info = model.get_rt_info()
            self.settings = parse_settings(
                model.get_rt_info(["framework", SETTINGS]).value if "framework" in info else "", path
            )
            shapes = {port.any_name: port.get_partial_shape() for port in model.inputs}
            self.inputs = {
                name: tuple(side.get_length() if side.is_static else None for side in shape)
                for name, shape in shapes.items()
            }
            if images_a_call and all(sides and sides[0] is None for sides in self.inputs.values()):
                self.images_a_call = images_a_call(self.settings)
                for shape in shapes.values():
                    shape[0] = self.images_a_call
                model.reshape(shapes)
            self.precision = _choose_precision(core, precision, self.settings)
            self.compiled = core.compile_model(model, "CPU", _hints(self.precision, threads, streams))
        except (RuntimeError, ValueError) as error:
            raise unreadable_network(path, error) from None
        self.outputs = tuple(_output_name(port) for port in self.compiled.outputs)
        self._thread, self._request_lock = threading.local(), threading.Lock()

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs; see `Network`. Each thread has an inference request of its own."""
        size = self.images_a_call
        count = len(next(iter(values.values()))) if size else 0
        if size is None or count == size:
            return self._infer(values)
        import numpy as np

        parts = []
        for start in range(0, count, size):
            part = {name: array[start : start + size] for name, array in values.items()}
            missing = size - min(size, count - start)
            padded = {name: np.concatenate([a, np.repeat(a[-1:], missing, axis=0)]) for name, a in part.items()}
            parts.append(self._infer(padded))
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in self.outputs}

    def _infer(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not hasattr(self._thread, "request"):
            with self._request_lock:
                self._thread.request = self.compiled.create_infer_request()
        outputs = self._thread.request.infer(values)
        return {name: outputs[name].copy() for name in self.outputs}


def _choose_precision(core: Any, wanted: str, settings: dict[str, Any]) -> str:
    """Return the precision to compute in; see `OpenVinoNetwork`."""
    if wanted == "auto":
        from salus.engine.speed_test import measure_precisions

        holds = settings.get(BFLOAT16_HOLDS) is True
        return measure_precisions().fastest if holds else "float32"
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bfloat16" if wanted == "bfloat16" and has_bfloat16 else "float32"


def _hints(precision: str, threads: int | None, streams: int) -> dict[str, Any]:
    """Make OpenVINO's options."""
    hints: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
    }
    if threads:
        hints["INFERENCE_NUM_THREADS"] = threads
        hints["ENABLE_CPU_PINNING"] = False  # or all processes on a machine are pinned to the same cores
    if streams > 1:
        hints["NUM_STREAMS"] = streams
    return hints


def _output_name(port: Any) -> str:
    """Return an output's name in the file; OpenVINO also lists the names of layers that it passed through."""
    name: str = port.node.friendly_name.removesuffix("/sink_port_0")
    return name if name in port.names else str(port.any_name)
