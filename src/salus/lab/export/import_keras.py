"""Import weights from the authors' Keras files into Salus's own networks, as arrays alone.

A stored Keras model can hold code (a Lambda layer, such as the authors' repeat), and flaws in Keras have run such code.
So no model is deserialised here: the HDF5 arrays are read and assigned to a network that Salus builds.

Arrays are matched by shape and order: kernels of the same shape have the same order in the file as in the network.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict, deque
from pathlib import Path

import h5py
import keras
import numpy as np

from salus.errors import SalusError
from salus.lab.networks.originals import original
from salus.lab.networks.registry import PUBLISHED, build_network

LayerWeights = tuple[np.ndarray, np.ndarray]
"""Kernel and bias."""

MAX_BYTES = 1 << 30
"""Largest size of weights that are unpacked; those of the published networks have 8 MB."""


def import_keras(path: Path | str, size: int = 256) -> tuple[str, keras.Model]:
    """Build the published network whose weights are in a Keras file.

    Args:
        path: file, `.keras`, whole-model `.h5`, or weights-only `.h5` / `.weights.h5`, of Keras 2 or 3.
        size: height and width of the network's input.

    Returns:
        The network's name in `PUBLISHED`, and the network with the file's weights.

    Raises:
        SalusError: the file cannot be read, or its weights are not those of a published network.
    """
    weights = read_weights(path)
    count = sum(kernel.size + bias.size for kernel, bias in weights)
    for name in PUBLISHED:
        model = build_network(name, size)
        if model.count_params() == count:
            _assign_weights(model, weights, Path(path))
            return name, model
    known = ", ".join(f"{name} {build_network(name).count_params():,}" for name in PUBLISHED)
    raise SalusError(f"{path}: holds {count:,} parameters; the published networks have {known}")


def read_weights(path: Path | str) -> list[LayerWeights]:
    """Read the kernel and bias of every layer that has both, in the order of the file's layers.

    Raises:
        SalusError: the file is not a Keras file, damaged, or too large.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SalusError(f"{path}: larger than {MAX_BYTES:,} bytes; not a published network")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                member = archive.getinfo("model.weights.h5")
                if member.file_size > MAX_BYTES:
                    raise SalusError(f"{path}: unpacks to more than {MAX_BYTES:,} bytes; not a published network")
                source: Path | io.BytesIO = io.BytesIO(archive.read(member))
        else:
            source = path
        with h5py.File(source, "r") as file:
            layers = _keras3_layers(file) if "layers" in file else _legacy_layers(file)
            return [_read_layer(group) for group in layers]
    except SalusError:
        raise
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file") from None
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, zipfile.BadZipFile) as error:
        raise SalusError(f"{path}: not a Keras file of weights ({' '.join(str(error).split())[:100]})") from None


def _keras3_layers(file: h5py.File) -> list[h5py.Group]:
    """List the layers of Keras 3's HDF5: layers/NAME/vars/0, 1; names are numbered in the order of the layers."""
    names = [n for n in file["layers"] if len(file["layers"][n].get("vars", ())) == 2]
    return [file["layers"][n]["vars"] for n in sorted(names, key=_natural_key)]


def _legacy_layers(file: h5py.File) -> list[h5py.Group]:
    """List the layers of Keras 2's HDF5: kernel:0 and bias:0 below [model_weights/]NAME; the order is an attribute."""
    top = file.get("model_weights", file)
    order = top.attrs.get("layer_names")
    names = [n.decode() if isinstance(n, bytes) else str(n) for n in order] if order is not None else []
    groups: list[h5py.Group] = []
    for name in names or sorted(top, key=_natural_key):
        top[name].visititems(lambda _, item: groups.append(item.parent) if _is_kernel(item) else None)
    return groups


def _is_kernel(item: h5py.HLObject) -> bool:
    """Return whether an HDF5 item is a layer's kernel."""
    return isinstance(item, h5py.Dataset) and item.name.rsplit("/", 1)[-1] in ("kernel:0", "kernel")


def _read_layer(group: h5py.Group) -> LayerWeights:
    """Read a layer's kernel and bias as float32."""
    for kernel, bias in (("kernel:0", "bias:0"), ("kernel", "bias"), ("0", "1")):
        if kernel in group and bias in group:
            return np.asarray(group[kernel], np.float32), np.asarray(group[bias], np.float32)
    raise ValueError(f"{group.name} has no kernel with a bias")


def _assign_weights(model: keras.Model, weights: list[LayerWeights], path: Path) -> None:
    """Assign the weights of a file to a network, by the shape of the kernels and their order."""
    by_shape: dict[tuple[int, ...], deque[LayerWeights]] = defaultdict(deque)
    for kernel, bias in weights:
        by_shape[kernel.shape].append((kernel, bias))
    for layer in layers_in_published_order(model):
        shape = tuple(layer.kernel.shape)
        if not by_shape[shape]:
            raise SalusError(f"{path}: has no further kernel of shape {shape} for layer {layer.name} of {model.name}")
        layer.set_weights(by_shape[shape].popleft())


def to_released_graph(model: keras.Model, network: str, size: int) -> keras.Model:
    """Build the authors' own graph with the weights of one of Salus's networks.

    Args:
        model: network of `salus.lab.networks.registry`.
        network: its name, one of `salus.lab.networks.originals.ORIGINALS`.
        size: height and width of the input.
    """
    released = original(network, size)
    layers = (layer for layer in released.layers if layer.weights)
    for layer, own_layer in zip(layers, layers_in_published_order(model), strict=True):
        layer.set_weights(own_layer.get_weights())
    return released


def layers_in_published_order(model: keras.Model) -> list[keras.layers.Layer]:
    """List the layers with weights as in the authors' graph: from the first level down to the fifth and up again."""

    def position(layer: keras.layers.Layer) -> tuple[int, int]:
        parts = ["saliency", "features", "a", "b", "one", "repeat"]
        match = re.fullmatch(r"(c|att|up|d)(\d)(?:_(\w+))?", layer.name)
        if not match:
            return 99, 0  # the last convolution, 1x1
        kind, level, part = match[1], int(match[2]), match[3]
        order = {"c": 2 * level, "att": 2 * level + 1, "up": 40 - 2 * level, "d": 41 - 2 * level}[kind]
        return order, parts.index(part) if part else 0

    return sorted((layer for layer in model.layers if layer.weights), key=position)


def _natural_key(name: str) -> tuple[str, int]:
    """Sort names by their number: conv2d, conv2d_1, conv2d_2, ..., conv2d_10."""
    stem, _, number = name.rpartition("_")
    return (stem, int(number)) if number.isdigit() and stem else (name, 0)
