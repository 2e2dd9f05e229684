"""Export networks as LiteRT (TensorFlow Lite) files for phones and tablets: one image at a time, built-in operations.

Settings and preprocessing are in salus.json, which is appended as a zip archive, as the format does it for associated
files: `unzip FILE.tflite` extracts it, and interpreters ignore it.
"""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.lab.export.exportable import Arrays, ExportableNetwork

ENDINGS = (".tflite",)
PRECISIONS = ("float32", "float16", "int8")
SETTINGS_FILE = "salus.json"


def write(network: ExportableNetwork, path: Path, precision: str) -> list[Path]:
    """Write the file; weights are stored in `precision`, inputs and outputs stay float32."""
    import keras

    from salus.lab.training.backend import litert_converter_options, silence_framework_logs

    if importlib.util.find_spec("ai_edge_litert") is None:
        raise SalusError('ai-edge-litert is not installed, by which the file is checked; pip install "salus[litert]"')
    shape = (1, network.size, network.size, 1)
    specs = [keras.InputSpec(shape=shape, dtype="float32", name=name) for name in network.input_names]
    with silence_framework_logs():
        model = network.build_model()
        named = dict(zip(network.input_names, specs, strict=True))
        signature = [named] if isinstance(model.input, dict) else [specs] if len(specs) > 1 else specs
        model.export(
            path, format="litert", verbose=False, input_signature=signature, **litert_converter_options(precision)
        )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(SETTINGS_FILE, json.dumps(network.settings))
    return [path]


def predict(network: ExportableNetwork, path: Path, inputs: Arrays) -> dict[str, np.ndarray]:
    """Predict with the file, image by image."""
    from ai_edge_litert.interpreter import Interpreter

    from salus.lab.training.backend import silence_framework_logs

    with silence_framework_logs():
        run = Interpreter(str(path)).get_signature_runner()
        outputs = [
            run(**{name: inputs[name][i : i + 1] for name in network.input_names}) for i in range(len(inputs["image"]))
        ]
    return {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}
