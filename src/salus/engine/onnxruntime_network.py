"""A network that ONNX Runtime runs, on the processor or a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.engine.network import SETTINGS, parse_settings, unreadable_network
from salus.errors import SalusError
from salus.processor import processor_cores

if TYPE_CHECKING:
    import numpy as np

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
GPU_PROVIDERS = (CUDA, "ROCMExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")


class OnnxRuntimeNetwork:
    """A network that ONNX Runtime runs, in float32.

    Args:
        path: the file.
        threads: processor threads of all inferences together; None takes all cores.
        device: see `salus.engine.opening.open_network`.
        streams: number of inferences that run at a time.

    Raises:
        SalusError: the file is damaged, or there is no such GPU.
    """

    engine, precision = "onnxruntime", "float32"

    def __init__(self, path: Path, threads: int | None, device: str, streams: int) -> None:
        import onnxruntime

        providers = _providers(device, onnxruntime.get_available_providers())
        if providers[0] != CPU:
            onnxruntime.preload_dlls()  # NVIDIA's libraries, where they are Python packages
        if streams > 1:
            threads = max(1, (threads or processor_cores()) // streams)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: all cores
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime raises many kinds, all straight from Exception
            raise unreadable_network(path, error) from None
        in_use = self.session.get_providers()[0]
        if in_use != _provider_name(providers[0]):  # it falls back to the processor, and only logs why
            raise SalusError(
                f"the device {device} cannot be used: onnxruntime's {_provider_name(providers[0])} does not start; "
                "check the GPU's number and driver and the CUDA libraries, or use the device cpu"
            )
        self.inputs = {
            node.name: tuple(side if isinstance(side, int) else None for side in node.shape)
            for node in self.session.get_inputs()
        }
        self.outputs = tuple(node.name for node in self.session.get_outputs())
        self.settings = parse_settings(self.session.get_modelmeta().custom_metadata_map.get(SETTINGS, ""), path)

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs; see `Network`."""
        return dict(zip(self.outputs, self.session.run(list(self.outputs), values), strict=True))


def _providers(device: str, available: list[str]) -> list[Any]:
    """List ONNX Runtime's providers for a device, the one to use first.

    Raises:
        SalusError: ONNX Runtime has no provider for it.
    """
    if device == "cpu":
        return [CPU]
    kind, _, number = device.partition(":")
    wanted = GPU_PROVIDERS if kind == "gpu" else (CUDA,)
    usable = [name for name in wanted if name in available]
    if not usable:
        raise SalusError(
            'onnxruntime sees no GPU; pip uninstall onnxruntime, then pip install "salus[gpu]", or use the device cpu'
        )
    if usable[0] != CUDA:
        return [usable[0], CPU]
    in_float32 = {"device_id": int(number or 0), "use_tf32": 0}  # else products of matrices are rounded to ten bits
    return [(CUDA, in_float32), CPU]


def _provider_name(provider: Any) -> str:
    return str(provider if isinstance(provider, str) else provider[0])
