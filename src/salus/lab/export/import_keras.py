"""Weights from the authors' Keras files, read as numbers alone into Salus's own networks.

A stored Keras model can carry code (a Lambda layer is one, and the authors' repeat is a Lambda), and Keras has had
flaws that ran it. So nothing here is deserialised: the HDF5 arrays are read, and laid into a network that Salus built.

Kernels of one shape keep the order they have in the file, which is all that is needed: in both networks, layers of the
same kernel shape stand one behind the other.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from pathlib import Path

import h5py
import keras
import numpy as np

from salus.errors import SalusError
from salus.lab.networks.originals import original
from salus.lab.networks.registry import PUBLISHED, build_network

Weights = tuple[np.ndarray, np.ndarray]  # kernel, bias

MAX_BYTES = 1 << 30
"""Weights above this size are refused before they are unpacked; the published ones have 8 MB."""


def import_keras(path: Path | str, size: int = 256) -> tuple[str, keras.Model]:
    """Build the published network whose weights a Keras file holds.

    Args:
        path: `.keras`, whole-model `.h5`, or weights-only `.h5` / `.weights.h5`, of Keras 2 or 3.
        size: height and width of the network's input.

    Returns:
        The network's name in `PUBLISHED`, and the network with the file's weights.

    Raises:
        SalusError: unreadable, or the weights are not those of a published network.
    """
    found = read_weights(path)
    count = sum(kernel.size + bias.size for kernel, bias in found)
    for name in PUBLISHED:
        model = build_network(name, size)
        if model.count_params() == count:
            _lay_in(model, found, Path(path))
            return name, model
    known = ", ".join(f"{name} {build_network(name).count_params():,}" for name in PUBLISHED)
    raise SalusError(f"{path}: holds {count:,} parameters; the published networks have {known}")


def read_weights(path: Path | str) -> list[Weights]:
    """The (kernel, bias) of every layer that has both, in the order of the file's layers.

    Raises:
        SalusError: not a Keras file, damaged, or too large.
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
            return [_weights(group) for group in layers]
    except SalusError:
        raise
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file") from None
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, zipfile.BadZipFile) as error:
        raise SalusError(f"{path}: not a Keras file of weights ({' '.join(str(error).split())[:100]})") from None


def _keras3_layers(file: h5py.File) -> list[h5py.Group]:
    """Keras 3: layers/NAME/vars/0, 1; names are class names, numbered in the order of the layers."""
    names = [n for n in file["layers"] if len(file["layers"][n].get("vars", ())) == 2]
    return [file["layers"][n]["vars"] for n in sorted(names, key=_natural)]


def _legacy_layers(file: h5py.File) -> list[h5py.Group]:
    """Keras 2's HDF5: [model_weights/]NAME/... with kernel:0 and bias:0 somewhere below; the order is an attribute."""
    top = file.get("model_weights", file)
    order = top.attrs.get("layer_names")
    names = [n.decode() if isinstance(n, bytes) else str(n) for n in order] if order is not None else []
    groups: list[h5py.Group] = []
    for name in names or sorted(top, key=_natural):
        holders: list[h5py.Group] = []
        top[name].visititems(lambda _, item, into=holders: into.append(item.parent) if _is_kernel(item) else None)
        groups += holders
    return groups


def _is_kernel(item: h5py.HLObject) -> bool:
    return isinstance(item, h5py.Dataset) and item.name.rsplit("/", 1)[-1] in ("kernel:0", "kernel")


def _weights(group: h5py.Group) -> Weights:
    for kernel, bias in (("kernel:0", "bias:0"), ("kernel", "bias"), ("0", "1")):
        if kernel in group and bias in group:
            return np.asarray(group[kernel], np.float32), np.asarray(group[bias], np.float32)
    raise ValueError(f"{group.name} has no kernel with a bias")


def _lay_in(model: keras.Model, found: list[Weights], path: Path) -> None:
    waiting: dict[tuple[int, ...], list[Weights]] = defaultdict(list)
    for kernel, bias in found:
        waiting[kernel.shape].append((kernel, bias))
    for layer in in_published_order(model):
        shape = tuple(layer.kernel.shape)
        if not waiting[shape]:
            raise SalusError(f"{path}: has no further kernel of shape {shape} for layer {layer.name} of {model.name}")
        layer.set_weights(waiting[shape].pop(0))


def as_released(model: keras.Model, network: str, size: int) -> keras.Model:
    """The authors' own graph with the weights of one of Salus's networks.

    Args:
        model: a `network` of `salus.lab.networks.registry`.
        network: one of `salus.lab.networks.originals.ORIGINALS`.
        size: height and width of the input.
    """
    theirs = original(network, size)
    layers = (layer for layer in theirs.layers if layer.weights)
    for layer, same in zip(layers, in_published_order(model), strict=True):
        layer.set_weights(same.get_weights())
    return theirs


def in_published_order(model: keras.Model) -> list[keras.layers.Layer]:
    """Layers with weights from the first level down to the fifth and up again."""

    def place(layer: keras.layers.Layer) -> tuple[int, int]:
        parts = ["saliency", "features", "a", "b", "one", "repeat"]
        match = re.fullmatch(r"(c|att|up|d)(\d)(?:_(\w+))?", layer.name)
        if not match:
            return 99, 0  # the last 1x1
        kind, level, part = match[1], int(match[2]), match[3]
        order = {"c": 2 * level, "att": 2 * level + 1, "up": 40 - 2 * level, "d": 41 - 2 * level}[kind]
        return order, parts.index(part) if part else 0

    return sorted((layer for layer in model.layers if layer.weights), key=place)


def _natural(name: str) -> tuple[str, int]:
    """conv2d, conv2d_1, conv2d_2, ..., conv2d_10."""
    stem, _, number = name.rpartition("_")
    return (stem, int(number)) if number.isdigit() and stem else (name, 0)
