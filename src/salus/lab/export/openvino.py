"""OpenVINO's own format, two files of one name: .xml, the graph with its settings, and .bin, the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.lab.export.source import Source, Values

ENDINGS = (".xml",)
PRECISIONS = ("float32", "float16")


def write(source: Source, path: Path, precision: str) -> list[Path]:
    """Write both files, by way of ONNX; float16 is how weights are stored."""
    import openvino

    onnx = path.with_suffix(".onnx")
    source.write_onnx(onnx)
    openvino.save_model(openvino.Core().read_model(onnx), path, compress_to_fp16=precision == "float16")
    return [path, path.with_suffix(".bin")]


def run(source: Source, path: Path, values: Values) -> dict[str, np.ndarray]:
    """The files' answers."""
    from salus.engine import open_network

    return open_network(path, "openvino").run(dict(values))
