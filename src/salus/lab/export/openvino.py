"""Export networks in OpenVINO's format: NAME.xml, the graph with its settings, and NAME.bin, the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.lab.export.exportable import Arrays, ExportableNetwork

ENDINGS = (".xml",)
PRECISIONS = ("float32", "float16")


def write(network: ExportableNetwork, path: Path, precision: str) -> list[Path]:
    """Write both files by way of ONNX; weights are stored in `precision`."""
    import openvino

    onnx = path.with_suffix(".onnx")
    network.write_onnx(onnx)
    openvino.save_model(openvino.Core().read_model(onnx), path, compress_to_fp16=precision == "float16")
    return [path, path.with_suffix(".bin")]


def predict(network: ExportableNetwork, path: Path, inputs: Arrays) -> dict[str, np.ndarray]:
    """Predict with the files by the runtime's engine."""
    from salus.engine import open_network

    return open_network(path, "openvino").run(dict(inputs))
