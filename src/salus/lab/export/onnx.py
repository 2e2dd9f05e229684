"""Export networks as ONNX files for batches of any size, settings and preprocessing inside under the key "salus"."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.lab.export.exportable import Arrays, ExportableNetwork

ENDINGS = (".onnx",)
PRECISIONS = ("float32", "float16")


def write(network: ExportableNetwork, path: Path, precision: str) -> list[Path]:
    """Write the file; with float16, large weights are stored so, and engines convert them to float32 at loading."""
    network.write_onnx(path)
    if precision == "float16":
        import onnx

        from salus.lab.onnx.weights import store_float16

        graph = onnx.load(path)
        store_float16(graph)
        onnx.save(graph, path)
    return [path]


def predict(network: ExportableNetwork, path: Path, inputs: Arrays) -> dict[str, np.ndarray]:
    """Predict with the file by the runtime's engine."""
    from salus.engine import open_network

    return open_network(path).run(dict(inputs))
