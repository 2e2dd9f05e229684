"""Save a network of the comparison as a folder: its settings, its Keras weights, and the ONNX file for the runtime.

NET/network.json     name, input size, threshold, origin, checksum of the weights
NET/model.weights.h5 the weights, to continue training
NET/network.onnx     the same network in float32, any batch, with network.json and preprocessing inside as metadata
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras

from salus.atomic import write_json, write_whole
from salus.errors import SalusError
from salus.lab.networks.registry import NETWORKS, build_network
from salus.lab.onnx.export import export_onnx
from salus.preprocess import Preprocessing

CARD, WEIGHTS, ONNX = "network.json", "model.weights.h5", "network.onnx"
PARITY = 1e-5
"""Largest difference in probability allowed between a network and its ONNX file."""


@dataclass(frozen=True)
class Card:
    """The settings of a network on disk.

    Attributes:
        network: its name, see `salus.lab.networks.registry`.
        size: height and width of its input, pixels.
        threshold: smallest probability of a lesion's pixel.
        saliency: whether it takes a saliency map beside the image.
        source: where the weights come from.
        weights_sha256: SHA-256 of model.weights.h5.
    """

    network: str
    size: int
    threshold: float
    saliency: bool
    source: str
    weights_sha256: str = ""


def save_network(model: keras.Model, card: Card, folder: Path | str) -> float:
    """Write a network's folder and check that its ONNX file computes the same.

    Args:
        model: a float32 model.
        card: its settings; the checksum is filled in.
        folder: empty or absent.

    Returns:
        The largest difference in probability between the model and its ONNX file.

    Raises:
        SalusError: the folder is in use, or the ONNX file differs by more than `PARITY`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SalusError(f"{folder}: is not empty; name a new folder")
    write_whole(folder / WEIGHTS, model.save_weights)
    checksum = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    card = replace(card, weights_sha256=checksum)
    difference = export_network(model, card, folder / ONNX)
    write_json(folder / CARD, asdict(card))
    return difference


def load_network(folder: Path | str) -> tuple[Card, keras.Model]:
    """Load a network from its folder.

    Raises:
        SalusError: not a network's folder, the weights do not have the checksum of the card, or the network is none of
            Salus's own: a folder from elsewhere must not decide which code runs.
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


def export_network(model: keras.Model, card: Card, path: Path) -> float:
    """Write a model as an ONNX file with its card inside.

    Returns:
        The largest difference in probability between the model and the file, on random images.

    Raises:
        SalusError: Keras runs on another backend than TensorFlow, or the difference exceeds `PARITY`.
    """
    if keras.backend.backend() != "tensorflow":
        raise SalusError("ONNX export needs Keras on TensorFlow; set KERAS_BACKEND=tensorflow")
    settings = asdict(card) | {"preprocessing": asdict(Preprocessing(card.size, card.size))}
    return export_onnx(model, path, ["probability"], settings, PARITY)
