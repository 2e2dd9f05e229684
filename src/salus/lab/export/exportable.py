"""Load networks that can be exported, with their settings and their outputs, which exported files must give too.

NET                          network
folder of import-keras       network.json and its weights
RUN/NETWORK/fold-N           a network that `salus benchmark` trained
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

Arrays = Mapping[str, np.ndarray]
"""Arrays by name of the input or output, (n, height, width, 1) or (n, 1), float32."""


class ExportableNetwork(Protocol):
    """A network that can be exported.

    Attributes:
        path: file or folder of the network.
        name: default name of exported files.
        architecture: name in `salus.lab.networks.registry`; "segment" for the network of `salus segment`.
        size: height and width of the input.
        input_names: names of the inputs, the image first.
        settings: settings for exported files, plain values.
        tolerance: largest difference allowed in the outputs of a float32 file, that of the network's own ONNX file.
    """

    path: Path
    name: str
    architecture: str
    size: int
    input_names: tuple[str, ...]
    settings: dict[str, Any]
    tolerance: float

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Compute the outputs by name."""

    def build_model(self) -> keras.Model:
        """Build the Keras network, its outputs by name."""

    def write_onnx(self, path: Path) -> None:
        """Write the network as ONNX with its settings inside."""


def load_exportable(net: str, factory: str | None = None) -> ExportableNetwork:
    """Load a network that can be exported.

    Args:
        net: the network; see the docstring of this module.
        factory: the package.module:factory that may be imported and called to build a benchmark's network; None runs
            Salus's own code alone, whatever the run's settings name.

    Raises:
        SalusError: the network is missing, damaged, or not one of Salus.
    """
    from salus.lab.networks.store import CARD
    from salus.lab.training.checkpoint import FINAL
    from salus.weights import SHIPPED_NETWORK

    path = SHIPPED_NETWORK if net == "shipped" else Path(net)
    if path.is_file():
        return _SegmentationNetwork(path)
    if (path / FINAL).is_file():
        return _load_from_benchmark(path, factory)
    if (path / CARD).is_file():
        return _load_from_folder(path)
    if not path.exists():
        raise SalusError(f"{path}: no such file or folder; name a network, or shipped for the one in the package")
    raise SalusError(
        f"{path}: not a network; name the folder of import-keras, RUN/NETWORK/fold-N of a finished benchmark, or the "
        "network.onnx of salus train"
    )


class _SegmentationNetwork:
    """A network of `salus segment`: an ONNX file from which the Keras network can be rebuilt."""

    architecture = "segment"
    input_names: tuple[str, ...]

    def __init__(self, path: Path) -> None:
        from salus.lab.onnx.weights import KEY
        from salus.lab.segmentation.export import PARITY
        from salus.segmentation.network import PROMPT
        from salus.segmentation.segmenter import Segmenter

        segmenter = Segmenter(path)
        self.path, self.engine, self.tolerance = path, segmenter.network, PARITY
        self.size = segmenter.settings.size
        self.name = _file_name(segmenter.settings.name)
        self.settings = {name: value for name, value in segmenter.network.settings.items() if name != KEY}
        preprocessing = Preprocessing(self.size, self.size, segmenter.settings.keep_aspect)
        self.settings["preprocessing"] = asdict(preprocessing)
        self.input_names = ("image", PROMPT) if segmenter.takes_prompts else ("image",)

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self.engine.run(dict(inputs))

    def build_model(self) -> keras.Model:
        import keras

        from salus.lab.networks.promptable_net import promptable_net
        from salus.lab.networks.segment_net import in_file_order, segment_net
        from salus.lab.onnx.weights import load_layer, load_onnx_weights
        from salus.lab.segmentation.export import EXPORTED, WHITENED, join_strangeness

        model = (promptable_net if len(self.input_names) > 1 else segment_net)(self.size)
        load_onnx_weights(in_file_order(model), self.path)
        joined = join_strangeness(model, *load_layer(self.path, WHITENED))
        return keras.Model(joined.input, {name: joined.output[name] for name in EXPORTED})

    def write_onnx(self, path: Path) -> None:
        import onnx

        from salus.lab.onnx.export import finalize_graph
        from salus.lab.onnx.weights import KEY, read_settings

        graph = onnx.load(self.path)
        weight_names = read_settings(graph).get(KEY)
        settings = self.settings | ({KEY: weight_names} if weight_names else {})
        finalize_graph(graph, [port.name for port in graph.graph.output], settings)
        onnx.save(graph, path)


class _BenchmarkNetwork:
    """A network of `salus benchmark` or of the authors: from image, or image and saliency map, to probability."""

    def __init__(self, path: Path, card: Card, model: keras.Model) -> None:
        from salus.lab.networks.store import PARITY

        self.path, self.card, self.model, self.tolerance = path, card, model, PARITY
        self.name = _file_name(path.resolve().name)
        self.architecture, self.size = card.network, card.size
        self.input_names: tuple[str, ...] = ("image", "saliency") if card.saliency else ("image",)
        self.settings = asdict(card) | {"preprocessing": asdict(Preprocessing(card.size, card.size))}

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        arrays = [inputs[name] for name in self.input_names]
        return {"probability": self.model.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)}

    def build_model(self) -> keras.Model:
        import keras

        return keras.Model(self.model.inputs, {"probability": self.model.outputs[0]})

    def write_onnx(self, path: Path) -> None:
        from salus.lab.networks.store import export_network

        export_network(self.model, self.card, path)


def _load_from_folder(folder: Path) -> _BenchmarkNetwork:
    """Load a network from the folder that import-keras wrote."""
    from salus.lab.networks.store import load_network

    return _BenchmarkNetwork(folder, *load_network(folder))


def _load_from_benchmark(folder: Path, factory: str | None) -> _BenchmarkNetwork:
    """Load a network that a benchmark trained, built by the run's settings, with its final weights."""
    from salus.lab.benchmark.config import BenchmarkConfig, fold_folder, split_method_name
    from salus.lab.networks.registry import NETWORKS, build_network, takes_saliency
    from salus.lab.networks.store import Card
    from salus.lab.training.checkpoint import FINAL

    run, fold = folder.resolve().parents[1], folder.resolve().name.removeprefix("fold-")
    config = BenchmarkConfig.load(run)
    methods = [n for n in config.networks if fold.isdigit() and fold_folder(run, n, int(fold)) == folder.resolve()]
    if not methods:
        raise SalusError(f"{folder}: not a part of the benchmark {run}; name RUN/NETWORK/fold-N")
    network, size = split_method_name(methods[0])[0], config.protocol.size
    if network not in NETWORKS and network != factory:
        raise SalusError(
            f"{folder}: built by code outside Salus, {network}; if you trust it, let it run with --factory {network}"
        )
    model = build_network(network, size)
    try:
        model.load_weights(folder / FINAL)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise SalusError(f"{folder / FINAL}: cannot be read ({' '.join(str(error).split())[:120]})") from None
    source = f"salus benchmark {run.name}, {methods[0]}, fold {fold}"
    card = Card(network, size, config.protocol.threshold, takes_saliency(model), source)
    exportable = _BenchmarkNetwork(folder, card, model)
    exportable.name = _file_name(f"{run.name}-{network}-{fold}")
    return exportable


def _file_name(name: str) -> str:
    """Turn a name read from a file into one that is safe as a file's name."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "network"
