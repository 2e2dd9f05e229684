"""LiteRT (TensorFlow Lite) for phones and tablets: one image at a time, built-in operations alone.

Settings and preprocessing are in salus.json, which is appended as the format has it for files that belong to a network:
`unzip FILE.tflite` takes it out, and interpreters do not see it.
"""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.lab.export.source import Source, Values

ENDINGS = (".tflite",)
PRECISIONS = ("float32", "float16", "int8")
SETTINGS_FILE = "salus.json"


def write(source: Source, path: Path, precision: str) -> list[Path]:
    """Convert; float16 and int8 are how weights are stored, inputs and outputs stay float32."""
    import keras

    from salus.lab.training.backend import litert_options, no_chatter

    if importlib.util.find_spec("ai_edge_litert") is None:
        raise SalusError('ai-edge-litert is not installed, by which the file is checked; pip install "salus[litert]"')
    side = source.size
    given = [keras.InputSpec(shape=(1, side, side, 1), dtype="float32", name=name) for name in source.inputs]
    signature = [given] if len(given) > 1 else given
    with no_chatter():
        source.model().export(
            path, format="litert", verbose=False, input_signature=signature, **litert_options(precision)
        )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(SETTINGS_FILE, json.dumps(source.settings))
    return [path]


def run(source: Source, path: Path, values: Values) -> dict[str, np.ndarray]:
    """The file's answers, image by image."""
    from ai_edge_litert.interpreter import Interpreter

    from salus.lab.training.backend import no_chatter

    with no_chatter():
        network = Interpreter(str(path)).get_signature_runner()
        found = [
            network(**{name: values[name][i : i + 1] for name in source.inputs}) for i in range(len(values["image"]))
        ]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}
