"""Run networks from ONNX files with an inference engine; arrays in and out, no training framework.

    openvino      the default on processors: fastest measured (docs/results/speed.md), bfloat16 where there is
    onnxruntime   the alternative, and the engine of GPUs

Both give the same numbers within 1e-4 in float32; bfloat16 changes probabilities by about 1e-2.
"""

from __future__ import annotations

import importlib.util
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from salus.errors import SalusError
from salus.processor import processor_cores

if TYPE_CHECKING:
    import numpy as np

ENGINES = ("openvino", "onnxruntime")
"""Inference engines, in the order in which "auto" looks for them."""

DEVICES = ("cpu", "gpu")
PRECISIONS = ("float32", "bfloat16")

SETTINGS = "salus"
"""Metadata key of an ONNX file under which Salus stores a network's settings, as JSON."""

GPU_PROVIDERS = ("CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")


class Network(Protocol):
    """A network that is loaded; several threads may run it at once.

    Attributes:
        engine: name of the engine that runs it.
        inputs: shape of each input by name; None for an axis of free size.
        outputs: names of the outputs.
        settings: settings in the file's metadata; empty where it has none.
    """

    engine: str
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    settings: dict[str, Any]

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs by name from all inputs by name (float32)."""


def open_network(
    path: Path | str,
    engine: str = "auto",
    *,
    threads: int | None = None,
    precision: str = "float32",
    device: str = "cpu",
    streams: int = 1,
) -> Network:
    """Load a network from an ONNX file.

    Args:
        path: the .onnx file.
        engine: "openvino", "onnxruntime", or "auto", which takes the first that is installed (on a GPU: onnxruntime).
        threads: processor threads of all inferences together; None takes all cores.
        precision: "float32", or "bfloat16" (OpenVINO only; processors without it compute in float32).
        device: "cpu" or "gpu".
        streams: number of inferences that run at a time and share the threads, given as many calling threads. More
            streams raise the number of images per second, and the time that each one takes.

    Raises:
        SalusError: the engine is unknown or missing, no such device, or the file is missing or damaged.
    """
    path = Path(path)
    for option, value, choices in (
        ("engine", engine, ("auto", *ENGINES)),
        ("precision", precision, PRECISIONS),
        ("device", device, DEVICES),
    ):
        if value not in choices:
            raise SalusError(f"unknown {option} {value!r}; choose one of {', '.join(choices)}")
    if engine == "auto":
        usable = ("onnxruntime",) if device == "gpu" else ENGINES
        installed = [name for name in usable if importlib.util.find_spec(name) is not None]
        if not installed:
            package = "onnxruntime-gpu" if device == "gpu" else "openvino"
            raise SalusError(f"no engine is installed that runs networks here; pip install {package}")
        engine = installed[0]
    if importlib.util.find_spec(engine) is None:
        raise SalusError(f"{engine} is not installed; pip install {engine}")
    if device == "gpu" and engine != "onnxruntime":
        raise SalusError("a GPU is used through onnxruntime; give --engine onnxruntime (pip install onnxruntime-gpu)")
    if precision == "bfloat16" and engine != "openvino":
        raise SalusError("bfloat16 is OpenVINO's; leave out the precision, or give --engine openvino")
    if not path.is_file():
        raise SalusError(f"{path}: no such file; name the .onnx file of a network")
    if engine == "openvino":
        return _OpenVinoNetwork(path, threads, precision, streams)
    return _OnnxRuntimeNetwork(path, threads, device, streams)


_FIRST_TENSOR_LOCK = threading.Lock()


class _OpenVinoNetwork:
    """A network that OpenVINO runs on the processor."""

    engine = "openvino"

    def __init__(self, path: Path, threads: int | None, precision: str, streams: int) -> None:
        import openvino

        with _FIRST_TENSOR_LOCK:  # OpenVINO can deadlock where two threads make their first tensors at once
            _ = openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        core = openvino.Core()
        if precision == "bfloat16" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            hints["INFERENCE_PRECISION_HINT"] = "bf16"
        if threads:
            hints["INFERENCE_NUM_THREADS"] = threads
            hints["ENABLE_CPU_PINNING"] = False  # or all processes on a machine are pinned to the same cores
        if streams > 1:
            hints["NUM_STREAMS"] = streams
        try:
            model = core.read_model(path)
            info = model.get_rt_info()
            settings = model.get_rt_info(["framework", SETTINGS]).value if "framework" in info else ""
            self.compiled = core.compile_model(model, "CPU", hints)
        except (RuntimeError, ValueError) as error:
            raise _unreadable_network(path, error) from None
        self.inputs = {
            port.any_name: tuple(side.get_length() if side.is_static else None for side in port.partial_shape)
            for port in self.compiled.inputs
        }
        self.outputs = tuple(_output_name(port) for port in self.compiled.outputs)
        self.settings = _parse_settings(settings, path)
        self._thread, self._request_lock = threading.local(), threading.Lock()

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs; see `Network`. Each thread has an inference request of its own."""
        if not hasattr(self._thread, "request"):
            with self._request_lock:
                self._thread.request = self.compiled.create_infer_request()
        outputs = self._thread.request.infer(values)
        return {name: outputs[name].copy() for name in self.outputs}


def _output_name(port: Any) -> str:
    """Return an output's name in the file; OpenVINO also lists the names of layers that it passed through."""
    name: str = port.node.friendly_name.removesuffix("/sink_port_0")
    return name if name in port.names else str(port.any_name)


class _OnnxRuntimeNetwork:
    """A network that ONNX Runtime runs, on the processor or a GPU."""

    engine = "onnxruntime"

    def __init__(self, path: Path, threads: int | None, device: str, streams: int) -> None:
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        if device == "gpu":
            available = [name for name in GPU_PROVIDERS if name in onnxruntime.get_available_providers()]
            if not available:
                raise SalusError("onnxruntime sees no GPU here; install onnxruntime-gpu, or use the device cpu")
            providers = [available[0], *providers]
        if streams > 1:
            threads = max(1, (threads or processor_cores()) // streams)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: all cores
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime raises many kinds, all straight from Exception
            raise _unreadable_network(path, error) from None
        self.inputs = {
            node.name: tuple(side if isinstance(side, int) else None for side in node.shape)
            for node in self.session.get_inputs()
        }
        self.outputs = tuple(node.name for node in self.session.get_outputs())
        self.settings = _parse_settings(self.session.get_modelmeta().custom_metadata_map.get(SETTINGS, ""), path)

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs; see `Network`."""
        return dict(zip(self.outputs, self.session.run(list(self.outputs), values), strict=True))


def _parse_settings(text: str, path: Path) -> dict[str, Any]:
    """Parse a network's settings from its metadata; empty where there are none."""
    try:
        settings = json.loads(text) if text else {}
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise SalusError(f"{path}: its settings cannot be read; export the network again")
    return settings


def _unreadable_network(path: Path, error: Exception) -> SalusError:
    return SalusError(
        f"{path}: cannot be read as a network, give the .onnx file of one ({' '.join(str(error).split())[:120]})"
    )
