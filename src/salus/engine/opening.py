"""Open a network: check the options, and pick the engine that runs it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from salus.engine.network import Network
from salus.errors import SalusError

ENGINES = ("openvino", "onnxruntime")
"""Inference engines, in the order in which "auto" looks for them."""

PRECISIONS = ("auto", "float32", "bfloat16")

DEVICES = "cpu, gpu, cuda or cuda:N"
"""Devices, as told to a person."""


def open_network(
    path: Path | str,
    engine: str = "auto",
    *,
    threads: int | None = None,
    precision: str = "float32",
    device: str = "cpu",
    streams: int = 1,
    images_a_call: Callable[[dict[str, Any]], int] | None = None,
) -> Network:
    """Load a network from an ONNX file.

    Args:
        path: the .onnx file.
        engine: "openvino", "onnxruntime", or "auto", which takes the first that is installed (on a GPU: onnxruntime).
        threads: processor threads of all inferences together; None takes all cores.
        precision: "float32"; "bfloat16" (OpenVINO only; processors without it compute in float32); or "auto": bfloat16
            where it was measured to be faster here and the network's file says that its result stays the same.
        device: "cpu", "gpu" (the first there is), "cuda", or "cuda:1" for the second NVIDIA GPU.
        streams: number of inferences that run at a time and share the threads, given as many calling threads. More
            streams raise the number of images per second, and the time that each one takes.
        images_a_call: told the file's settings, returns the number of images that one inference takes, which saves
            OpenVINO time and memory; larger batches are split. None leaves the number free.

    Raises:
        SalusError: the engine is unknown or missing, no such device, or the file is missing or damaged.
    """
    path = Path(path)
    for option, value, choices in (("engine", engine, ("auto", *ENGINES)), ("precision", precision, PRECISIONS)):
        if value not in choices:
            raise SalusError(f"unknown {option} {value!r}; choose one of {', '.join(choices)}")
    check_device(device)
    engine = _choose_engine(engine, on_gpu=device != "cpu")
    if precision == "bfloat16" and engine != "openvino":
        raise SalusError("bfloat16 is OpenVINO's; leave out the precision, or give --runtime openvino")
    if not path.is_file():
        raise SalusError(f"{path}: no such file; name the .onnx file of a network")
    if engine == "openvino":
        from salus.engine.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(path, threads, precision, streams, images_a_call)
    from salus.engine.onnxruntime_network import OnnxRuntimeNetwork

    return OnnxRuntimeNetwork(path, threads, device, streams)


def check_device(device: str) -> str:
    """Return a device's name if it is one; see `open_network`.

    Raises:
        SalusError: it is none.

    Example:
        >>> check_device("cuda:1")
        'cuda:1'
    """
    if not re.fullmatch(r"cpu|gpu|cuda(:\d{1,2})?", device):
        raise SalusError(f"unknown device {device!r}; give {DEVICES}, where N counts NVIDIA GPUs from 0")
    return device


def _choose_engine(engine: str, on_gpu: bool) -> str:
    """Return the engine to use.

    Raises:
        SalusError: it is not installed, or cannot use a GPU.
    """
    if engine == "auto":
        usable = ("onnxruntime",) if on_gpu else ENGINES
        installed = [name for name in usable if importlib.util.find_spec(name) is not None]
        if not installed:
            package = '"salus[gpu]"' if on_gpu else "openvino"
            raise SalusError(f"no engine is installed that runs networks here; pip install {package}")
        engine = installed[0]
    if importlib.util.find_spec(engine) is None:
        raise SalusError(f"{engine} is not installed; pip install {engine}")
    if on_gpu and engine != "onnxruntime":
        raise SalusError('a GPU is used through onnxruntime; give --runtime onnxruntime (pip install "salus[gpu]")')
    return engine
