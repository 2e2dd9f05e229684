"""What is exported: a network with its settings, and its answers, to which every exported file is held.

NET                          what it is
folder of import-keras       network.json and its weights
RUN/NETWORK/fold-N           what `salus benchmark` trained
FILE.onnx, or shipped        a network of `salus train`, or the one in the package
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from salus.errors import SalusError
from salus.preprocess import Preprocessing

if TYPE_CHECKING:
    import keras

    from salus.lab.networks.store import Card

Values = Mapping[str, np.ndarray]
"""Arrays by the name of the input or output, (n, height, width, 1) or (n, 1), float32."""


class Source(Protocol):
    """A network that can be exported.

    Attributes:
        path: where it was read.
        name: what its exported file is called where none is asked for.
        network: as in `salus.lab.networks.registry`; "segment" for that of `salus segment`.
        size: height and width of the input.
        inputs: names, the image first.
        settings: that go into exported files, plain values.
        parity: by how much a float32 file's outputs may differ, as when its ONNX file is first written.
    """

    path: Path
    name: str
    network: str
    size: int
    inputs: tuple[str, ...]
    settings: dict[str, Any]
    parity: float

    def run(self, values: Values) -> dict[str, np.ndarray]:
        """Its answers, which exported files must give."""

    def model(self) -> keras.Model:
        """The Keras network, its outputs by name."""

    def write_onnx(self, path: Path) -> None:
        """Itself as ONNX with its settings inside."""


def open_source(net: str, factory: str | None = None) -> Source:
    """Read a network.

    Args:
        net: see the head of this file.
        factory: the one package.module:factory that may be imported and called to build a benchmark's network; None
            runs no code but Salus's own, whatever the run's settings name.

    Raises:
        SalusError: missing, damaged, or no network of Salus.
    """
    from salus.lab.networks.store import CARD
    from salus.lab.training.checkpoint import FINAL
    from salus.weights import SHIPPED_NETWORK

    path = SHIPPED_NETWORK if net == "shipped" else Path(net)
    if path.is_file():
        return _Segmenter(path)
    if (path / FINAL).is_file():
        return _from_benchmark(path, factory)
    if (path / CARD).is_file():
        return _from_folder(path)
    if not path.exists():
        raise SalusError(f"{path}: no such file or folder; name a network, or shipped for the one in the package")
    raise SalusError(
        f"{path}: not a network; name the folder of import-keras, RUN/NETWORK/fold-N of a finished benchmark, or the "
        "network.onnx of salus train"
    )


class _Segmenter:
    """A network of `salus segment`: an ONNX file, of which the Keras network can be built again."""

    network = "segment"
    inputs: tuple[str, ...] = ("image",)

    def __init__(self, path: Path) -> None:
        from salus.lab.onnx.weights import KEY
        from salus.lab.segmentation.export import PARITY
        from salus.segmentation.segmenter import Segmenter

        self.parity = PARITY
        opened = Segmenter(path)
        self.path, self.opened = path, opened.network
        self.size = opened.settings.size
        self.name = _file_name(opened.settings.name)
        self.settings = {name: value for name, value in opened.network.settings.items() if name != KEY}
        self.settings["preprocessing"] = asdict(Preprocessing(self.size, self.size))

    def run(self, values: Values) -> dict[str, np.ndarray]:
        return self.opened.run(dict(values))

    def model(self) -> keras.Model:
        import keras

        from salus.lab.networks.segment_net import OUTPUTS, segment_net
        from salus.lab.onnx.weights import load_layer, load_noted
        from salus.lab.segmentation.export import EXPORTED, WHITENED, join_strangeness

        model = segment_net(self.size)
        load_noted(keras.Model(model.input, [model.output[name] for name in OUTPUTS]), self.path)
        whole = join_strangeness(model, *load_layer(self.path, WHITENED))
        return keras.Model(whole.input, {name: whole.output[name] for name in EXPORTED})

    def write_onnx(self, path: Path) -> None:
        import onnx

        from salus.lab.onnx.graph import finish
        from salus.lab.onnx.weights import KEY, read_settings

        graph = onnx.load(self.path)
        notes = read_settings(graph).get(KEY)
        finish(graph, [port.name for port in graph.graph.output], self.settings | ({KEY: notes} if notes else {}))
        onnx.save(graph, path)


class _Network:
    """A network of the comparison: image, maybe saliency, to probability."""

    def __init__(self, path: Path, card: Card, model: keras.Model) -> None:
        from salus.lab.networks.store import PARITY

        self.path, self.card, self.built, self.parity = path, card, model, PARITY
        self.name = _file_name(path.resolve().name)
        self.network, self.size = card.network, card.size
        self.inputs: tuple[str, ...] = ("image", "saliency") if card.saliency else ("image",)
        self.settings = asdict(card) | {"preprocessing": asdict(Preprocessing(card.size, card.size))}

    def run(self, values: Values) -> dict[str, np.ndarray]:
        given = [values[name] for name in self.inputs]
        return {"probability": self.built.predict(given if len(given) > 1 else given[0], verbose=0)}

    def model(self) -> keras.Model:
        import keras

        return keras.Model(self.built.inputs, {"probability": self.built.outputs[0]})

    def write_onnx(self, path: Path) -> None:
        from salus.lab.networks.store import export_onnx

        export_onnx(self.built, self.card, path)


def _from_folder(folder: Path) -> _Network:
    from salus.lab.networks.store import load_network

    return _Network(folder, *load_network(folder))


def _from_benchmark(folder: Path, factory: str | None) -> _Network:
    """The network of a benchmark's part: name and size are in the run's settings, its weights are the final ones."""
    from salus.lab.benchmark.config import Settings, part_folder, parted
    from salus.lab.networks.registry import NETWORKS, build_network, takes_saliency
    from salus.lab.networks.store import Card
    from salus.lab.training.checkpoint import FINAL

    run, fold = folder.resolve().parents[1], folder.resolve().name.removeprefix("fold-")
    settings = Settings.load(run)
    known = [n for n in settings.networks if fold.isdigit() and part_folder(run, n, int(fold)) == folder.resolve()]
    if not known:
        raise SalusError(f"{folder}: not a part of the benchmark {run}; name RUN/NETWORK/fold-N")
    network, size = parted(known[0])[0], settings.protocol.size
    if network not in NETWORKS and network != factory:
        raise SalusError(
            f"{folder}: built by code outside Salus, {network}; if you trust it, let it run with --factory {network}"
        )
    model = build_network(network, size)
    try:
        model.load_weights(folder / FINAL)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise SalusError(f"{folder / FINAL}: cannot be read ({' '.join(str(error).split())[:120]})") from None
    source = f"salus benchmark {run.name}, {known[0]}, fold {fold}"
    opened = _Network(folder, Card(network, size, settings.protocol.threshold, takes_saliency(model), source), model)
    opened.name = _file_name(f"{run.name}-{network}-{fold}")
    return opened


def _file_name(name: str) -> str:
    """A name that comes from a file, as one that can name a file."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "network"
