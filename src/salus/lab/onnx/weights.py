"""Find a Keras network's weights in its ONNX file, so that training can start from it; store them as float16.

The converter changes the layout of kernels and gives them names of its own. Each weight is therefore found by its
values at export, and its name, shape and order of axes are stored in the file's settings under `KEY`.
"""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.engine import SETTINGS
from salus.errors import SalusError

if TYPE_CHECKING:
    import keras
    import onnx

KEY = "weights"
"""In the settings: for each of the model's weights, in Keras's order, [initializer, shape, order of axes]."""

HALF = "_half"
"""Appended to the name of a weight that is stored as float16."""

MIN_SIZE = 256
"""Arrays with fewer values stay float32."""


def store_weight_names(graph: onnx.ModelProto, model: keras.Model) -> list[list[Any]]:
    """Find each of a network's weights in its ONNX file.

    Args:
        graph: what the network was exported as.
        model: the network, or one whose weights are part of it.

    Returns:
        The entry under `KEY`.

    Raises:
        SalusError: the file does not hold a weight's values.
    """
    from onnx import numpy_helper

    by_size: dict[int, list[tuple[str, np.ndarray]]] = {}
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        by_size.setdefault(values.size, []).append((tensor.name, values))
    entries = []
    for weight in model.weights:
        values = np.asarray(weight)
        matches = (_match(values, name, stored) for name, stored in by_size.get(values.size, ()))
        entry = next((match for match in matches if match is not None), None)
        if entry is None:
            raise SalusError(f"the exported file does not hold the weight {weight.path}; training cannot start from it")
        entries.append(entry)
    return entries


def load_onnx_weights(model: keras.Model, path: Path) -> None:
    """Load the weights of an ONNX file into a network; the file's settings have the result of `store_weight_names`.

    Raises:
        SalusError: the file is missing or damaged, its settings name no weights, or it is of another network.
    """
    graph = _load(path)
    entries = read_settings(graph).get(KEY)
    if not entries:
        raise SalusError(f"{path}: says not where its weights lie; start from a file that salus train wrote")
    arrays = _arrays(graph)
    try:
        model.set_weights([arrays[name].reshape(shape).transpose(axes) for name, shape, axes in entries])
    except (KeyError, ValueError, TypeError) as error:
        raise SalusError(f"{path}: is of another network than this ({' '.join(str(error).split())[:120]})") from None


def load_layer(path: Path, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """Load a dense layer's kernel and bias, found by the names that the converter gives them.

    Raises:
        SalusError: the file cannot be read, or holds no such layer.
    """
    values = [value for name, value in sorted(_arrays(_load(path)).items()) if f"/{layer}" in name]
    kernels, biases = ([value for value in values if value.ndim == n] for n in (2, 1))
    if len(kernels) != 1 or len(biases) != 1:
        raise SalusError(f"{path}: holds no layer {layer}; start from a file that salus train wrote")
    return kernels[0], biases[0]


def read_settings(graph: onnx.ModelProto) -> dict[str, Any]:
    """Read the settings in a file's metadata; empty where there are none."""
    metadata = {prop.key: prop.value for prop in graph.metadata_props}
    settings: dict[str, Any] = json.loads(metadata.get(SETTINGS, "{}"))
    return settings


def store_float16(graph: onnx.ModelProto) -> None:
    """Store large float32 weights as float16, each cast back where it is used; the names of values stay."""
    from onnx import helper, numpy_helper

    casts = []
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= MIN_SIZE:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + HALF))
            casts.append(helper.make_node("Cast", [name + HALF], [name], to=1, name=name + "_cast"))
    for node in reversed(casts):
        graph.graph.node.insert(0, node)


def _load(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        return onnx.load(path)
    except Exception as error:  # protobuf raises its own kinds
        raise SalusError(f"{path}: cannot be read as a network ({' '.join(str(error).split())[:120]})") from None


def _arrays(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return a file's arrays by name, as float32."""
    from onnx import numpy_helper

    return {
        tensor.name.removesuffix(HALF): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in graph.graph.initializer
    }


def _match(values: np.ndarray, name: str, stored: np.ndarray) -> list[Any] | None:
    """Return [name, shape, order of axes] where a stored array holds a weight's values in another order of axes."""
    for axes in permutations(range(values.ndim)):
        shape = tuple(values.shape[axis] for axis in axes)  # of the stored array, in the weight's dimensions
        back = tuple(int(axis) for axis in np.argsort(axes))
        if np.array_equal(stored.reshape(shape).transpose(back), values):
            return [name, list(shape), list(back)]
    return None
