"""The engine that runs a network: an ONNX file in, arrays in and out, and no training framework.

    openvino      the processor's engine: fastest measured (docs/results/speed.md), bfloat16 where the processor has it
    onnxruntime   the alternative, and where OpenVINO is not installed; its GPU providers are taken with device "gpu"

Either gives the same numbers within 1e-4 in float32; bfloat16 costs about 1e-2 of a probability.
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
"""In the order in which "auto" looks for them."""

DEVICES = ("cpu", "gpu")
PRECISIONS = ("float32", "bfloat16")

SETTINGS = "salus"
"""The key in an ONNX file's metadata under which Salus keeps a network's settings, as JSON."""

GPU_PROVIDERS = ("CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")


class Network(Protocol):
    """A network that is ready to run; calls from several threads at once are allowed.

    Attributes:
        engine: what runs it.
        inputs: shape of each input by name, None where it is free.
        outputs: names.
        settings: what the file says of itself; empty where it says nothing.
    """

    engine: str
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    settings: dict[str, Any]

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name, for all inputs by name (float32)."""


def open_network(
    path: Path | str,
    engine: str = "auto",
    *,
    threads: int | None = None,
    precision: str = "float32",
    device: str = "cpu",
    streams: int = 1,
) -> Network:
    """Load a network.

    Args:
        path: the .onnx file.
        engine: "openvino", "onnxruntime", or "auto", the first that is installed (on a GPU: onnxruntime).
        threads: processor threads of one inference; None takes all cores.
        precision: "float32", or "bfloat16" (OpenVINO alone; where the processor lacks it, float32 is used).
        device: "cpu" or "gpu".
        streams: inferences that share those threads at a time, as many as threads call; more do more images a second
            in all, each of them later.

    Raises:
        SalusError: the engine is unknown or missing, no such device, or the file is missing or damaged.
    """
    path = Path(path)
    for given, known, what in ((engine, ("auto", *ENGINES), "engine"), (precision, PRECISIONS, "precision")):
        if given not in known:
            raise SalusError(f"unknown {what} {given!r}; choose one of {', '.join(known)}")
    if device not in DEVICES:
        raise SalusError(f"unknown device {device!r}; choose one of {', '.join(DEVICES)}")
    if engine == "auto":
        found = [name for name in ENGINES if importlib.util.find_spec(name) is not None]
        if device == "gpu":
            found = [name for name in found if name == "onnxruntime"]
        if not found:
            wanted = "onnxruntime-gpu" if device == "gpu" else "openvino"
            raise SalusError(f"no engine is installed that runs networks here; pip install {wanted}")
        engine = found[0]
    if importlib.util.find_spec(engine) is None:
        raise SalusError(f"{engine} is not installed; pip install {engine}")
    if device == "gpu" and engine != "onnxruntime":
        raise SalusError("a GPU is used through onnxruntime; give --engine onnxruntime (pip install onnxruntime-gpu)")
    if precision == "bfloat16" and engine != "openvino":
        raise SalusError("bfloat16 is OpenVINO's; leave out the precision, or give --engine openvino")
    if not path.is_file():
        raise SalusError(f"{path}: no such file; name the .onnx file of a network")
    if engine == "openvino":
        return _OpenVino(path, threads, precision, streams)
    return _OnnxRuntime(path, threads, device, streams)


_FIRST_TENSOR = threading.Lock()


class _OpenVino:
    engine = "openvino"

    def __init__(self, path: Path, threads: int | None, precision: str, streams: int) -> None:
        import openvino

        with _FIRST_TENSOR:  # two threads whose first tensors are made at once can wait on each other forever
            _ = openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        core = openvino.Core()
        if precision == "bfloat16" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            hints["INFERENCE_PRECISION_HINT"] = "bf16"
        if threads:
            hints["INFERENCE_NUM_THREADS"] = threads
            hints["ENABLE_CPU_PINNING"] = False  # else processes that share a machine are pinned to its same cores
        if streams > 1:
            hints["NUM_STREAMS"] = streams
        try:
            model = core.read_model(path)
            info = model.get_rt_info()
            kept = model.get_rt_info(["framework", SETTINGS]).value if "framework" in info else ""
            self.compiled = core.compile_model(model, "CPU", hints)
        except (RuntimeError, ValueError) as error:
            raise _unreadable(path, error) from None
        self.inputs = {
            port.any_name: tuple(side.get_length() if side.is_static else None for side in port.partial_shape)
            for port in self.compiled.inputs
        }
        self.outputs = tuple(_name_of(port) for port in self.compiled.outputs)
        self.settings = _settings(kept, path)
        self.requests, self.making = threading.local(), threading.Lock()

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Network`. A request belongs to the thread that made it."""
        if not hasattr(self.requests, "own"):
            with self.making:
                self.requests.own = self.compiled.create_infer_request()
        found = self.requests.own.infer(values)
        return {name: found[name].copy() for name in self.outputs}


def _name_of(port: Any) -> str:
    """An output's name in the file; OpenVINO calls it by those of the layers it passed through as well."""
    wanted: str = port.node.friendly_name.removesuffix("/sink_port_0")
    return wanted if wanted in port.names else str(port.any_name)


class _OnnxRuntime:
    engine = "onnxruntime"

    def __init__(self, path: Path, threads: int | None, device: str, streams: int) -> None:
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        if device == "gpu":
            found = [name for name in GPU_PROVIDERS if name in onnxruntime.get_available_providers()]
            if not found:
                raise SalusError("onnxruntime sees no GPU here; install onnxruntime-gpu, or use the device cpu")
            providers = [found[0], *providers]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = (
            max(1, (threads or processor_cores()) // streams) if streams > 1 else threads or 0
        )
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime raises many kinds, all straight from Exception
            raise _unreadable(path, error) from None
        self.inputs = {
            one.name: tuple(side if isinstance(side, int) else None for side in one.shape)
            for one in self.session.get_inputs()
        }
        self.outputs = tuple(one.name for one in self.session.get_outputs())
        self.settings = _settings(self.session.get_modelmeta().custom_metadata_map.get(SETTINGS, ""), path)

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Network`."""
        return dict(zip(self.outputs, self.session.run(list(self.outputs), values), strict=True))


def _settings(text: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SalusError(f"{path}: its settings cannot be read; export the network again")
    return found


def _unreadable(path: Path, error: Exception) -> SalusError:
    return SalusError(
        f"{path}: cannot be read as a network, give the .onnx file of one ({' '.join(str(error).split())[:120]})"
    )
