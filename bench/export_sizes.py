"""Export a network in every format and list the sizes and the largest differences, as docs/how-to/export.md does.

    python bench/export_sizes.py [shipped | NET ...]

A network that a format refuses has its reason in the table.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from salus.lab.training.backend import use_backend

FORMATS = (
    ("onnx", "float32", "n.onnx"),
    ("openvino", "float32", "n.xml"),
    ("openvino", "float16", "n.xml"),
    ("litert", "float32", "n.tflite"),
    ("litert", "float16", "n.tflite"),
    ("litert", "int8", "n.tflite"),
    ("keras", "float32", "n.keras"),
)


def main() -> None:
    """Export each network that is named, and print a table; a refusal stands in its row."""
    use_backend("tensorflow")
    from salus.errors import SalusError
    from salus.lab.export.write import export_network

    for name in sys.argv[1:] or ["shipped"]:
        print(f"| {name} | bytes | difference |\n|---|---|---|", flush=True)
        for kind, precision, file in FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    exported = export_network(name, kind, Path(folder) / file, precision, None)
                except SalusError as error:
                    print(f"| {kind}, {precision} | – | {error} |", flush=True)
                    continue
                sizes = " + ".join(f"{path.stat().st_size:,}" for path in exported.files)
                print(f"| {kind}, {precision} | {sizes} | {exported.difference:.1e} |", flush=True)


if __name__ == "__main__":
    main()
