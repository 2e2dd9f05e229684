"""ONNX: any batch, settings and preprocessing inside under the key "salus"."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.lab.export.source import Source, Values

ENDINGS = (".onnx",)
PRECISIONS = ("float32", "float16")


def write(source: Source, path: Path, precision: str) -> list[Path]:
    """Write the file; float16 stores large weights so, and engines turn them back when they load it."""
    source.write_onnx(path)
    if precision == "float16":
        import onnx

        from salus.lab.segmentation.release import halve

        graph = onnx.load(path)
        halve(graph)
        onnx.save(graph, path)
    return [path]


def run(source: Source, path: Path, values: Values) -> dict[str, np.ndarray]:
    """The file's answers, by the runtime's engine."""
    from salus.engine import open_network

    return open_network(path).run(dict(values))
