"""A Salus network on disk: a folder with its settings, its weights, and the ONNX file that the runtime floor takes.

NET/network.json     name, input size, threshold, where it comes from, checksum of the weights
NET/model.weights.h5 the weights, for training on
NET/network.onnx     the same network in float32, dynamic batch, network.json and preprocessing inside as metadata
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from salus.errors import SalusError
from salus.lab.networks.registry import NETWORKS, build_network
from salus.lab.onnx.graph import finish
from salus.preprocess import Preprocessing

CARD, WEIGHTS, ONNX = "network.json", "model.weights.h5", "network.onnx"
PARITY = 1e-5
"""The largest difference in probability between a network and its ONNX file."""


@dataclass(frozen=True)
class Card:
    """What a network needs to be used.

    Attributes:
        network: its name, see `salus.lab.networks.registry`.
        size: height and width of its input.
        threshold: from which a pixel is lesion.
        saliency: whether it takes a saliency map beside the image.
        source: where the weights come from.
        weights_sha256: of model.weights.h5.
    """

    network: str
    size: int
    threshold: float
    saliency: bool
    source: str
    weights_sha256: str = ""


def save_network(model: keras.Model, card: Card, folder: Path | str) -> float:
    """Write a network's folder and check that its ONNX file gives the same.

    Args:
        model: a float32 model.
        card: its settings; the checksum is filled in.
        folder: must not exist, or be empty.

    Returns:
        The largest difference in probability between the model and its ONNX file.

    Raises:
        SalusError: the folder is in use or cannot be written, or the ONNX file differs by more than `PARITY`.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SalusError(f"{folder}: is not empty; name a new folder")
        model.save_weights(folder / WEIGHTS)
    except OSError as error:
        raise SalusError(f"{folder}: cannot be written ({error.strerror or error})") from None
    checksum = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    card = replace(card, weights_sha256=checksum)
    difference = export_onnx(model, card, folder / ONNX)
    (folder / CARD).write_text(json.dumps(asdict(card), indent=1) + "\n", encoding="utf-8")
    return difference


def load_network(folder: Path | str) -> tuple[Card, keras.Model]:
    """Build a network from its folder.

    Raises:
        SalusError: not a network's folder, the weights are not the ones the card names, or its network is none
            of Salus's own: a folder from elsewhere must not say what code is run.
    """
    folder = Path(folder)
    try:
        card = Card(**json.loads((folder / CARD).read_text(encoding="utf-8")))
        checksum = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise SalusError(f"{folder}: not a Salus network ({Path(error.filename).name} is missing)") from None
    except (OSError, ValueError, TypeError) as error:
        raise SalusError(f"{folder / CARD}: unreadable ({error})") from None
    if checksum != card.weights_sha256:
        raise SalusError(
            f"{folder / WEIGHTS}: changed since it was saved (its checksum differs); copy the network again"
        )
    if card.network not in NETWORKS:
        raise SalusError(
            f"{folder / CARD}: {card.network!r} is no network of Salus's own, and code of others is not run"
        )
    try:
        model = build_network(card.network, card.size)
        model.load_weights(folder / WEIGHTS)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise SalusError(f"{folder}: not a Salus network ({' '.join(str(error).split())[:120]})") from None
    return card, model


def export_onnx(model: keras.Model, card: Card, path: Path) -> float:
    """Write a model as ONNX with its card inside; returns the largest difference in probability on random input.

    Raises:
        SalusError: Keras runs on another backend than TensorFlow, or the difference exceeds `PARITY`.
    """
    if keras.backend.backend() != "tensorflow":
        raise SalusError("ONNX export needs Keras on TensorFlow; set KERAS_BACKEND=tensorflow")
    import onnx

    from salus.engine import open_network

    rng = np.random.default_rng(0)
    inputs = [rng.random((2, card.size, card.size, 1), np.float32) for _ in model.inputs]
    expected = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of NumPy, about a line in Keras's exporter
        model.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    finish(graph, ["probability"], asdict(card) | {"preprocessing": asdict(Preprocessing(card.size, card.size))})
    onnx.save(graph, path)

    network = open_network(path)
    (found,) = network.run(dict(zip(network.inputs, inputs, strict=True))).values()
    difference = float(np.abs(found - expected).max())
    if difference > PARITY:
        raise SalusError(f"{path}: differs from the network by {difference:.1e}, more than {PARITY:.0e}; not usable")
    return difference
