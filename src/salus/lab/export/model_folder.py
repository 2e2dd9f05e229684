"""A network as a folder in the layout of Hugging Face's model repositories; nothing is uploaded.

README.md     the model card: a header of YAML that the hub reads, how to use the network, and Salus's own card
model.onnx    the network, run and compared like every exported file
config.json   inputs, outputs, settings and preprocessing
LICENSE       of the package, beside the network in it; other networks are their owner's to license
"""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from salus.atomic import write_json, write_text
from salus.errors import SalusError
from salus.lab.export.exportable import ExportableNetwork, load_exportable
from salus.lab.export.write import ExportResult, export_network
from salus.weights import SHIPPED_NETWORK

MODEL, CONFIG, CARD, LICENSE = "model.onnx", "config.json", "README.md", "LICENSE"

TAGS = ("onnx", "ultrasound", "breast", "medical", "segmentation")

WARNING = "Research software, not a medical device: no diagnosis, no treatment and no triage may rest on it."

USE = """## Use

    pip install salus
    salus segment scan.png --network model.onnx -o out

In Python: `salus.segment("scan.png", network="model.onnx")`. `config.json` tells the inputs, outputs and
the preprocessing for other programs; the same JSON is in the file's metadata, under `salus`.
"""


def export_model_folder(
    net: str, output: Path | None = None, precision: str = "float32", factory: str | None = None
) -> ExportResult:
    """Export a network as a folder.

    Args:
        net: see `export_network`; so are the next two but `output`.
        output: the folder, which must not be there; None takes the network's name, in the current folder.
        precision: of the weights, "float32" or "float16".
        factory: code that may run.

    Raises:
        SalusError: the folder is there, or see `export_network`; then nothing is left.
        OSError: it cannot be written.
    """
    network = load_exportable(net, factory)
    folder = output or Path(f"{network.name}-hf")
    if folder.exists():
        raise SalusError(f"{folder}: exists already; name another folder with -o")
    if not folder.parent.is_dir():
        raise SalusError(f"{folder.parent}: no such folder; make it first")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".salus-export-") as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        result = export_network(net, "onnx", made / MODEL, precision, factory)
        write_json(made / CONFIG, _config(network, made / MODEL))
        write_text(made / CARD, _card(network))
        if _is_shipped(network):
            _copy_license(made / LICENSE)
        made.rename(folder)
    files = tuple(sorted(path for path in folder.iterdir()))
    return ExportResult(files, result.difference, result.bound)


def _config(network: ExportableNetwork, model: Path) -> dict[str, Any]:
    from salus.engine import open_network

    opened = open_network(model)
    return {
        "model_type": "salus",
        "architectures": [network.architecture],
        "inputs": list(network.input_names),
        "outputs": sorted(opened.outputs),
        "settings": network.settings,
    }


def _card(network: ExportableNetwork) -> str:
    """Write the card: what the hub reads, then what people do."""
    header: dict[str, Any] = {"library_name": "salus", "pipeline_tag": "image-segmentation", "tags": list(TAGS)}
    if _is_shipped(network):
        header["license"] = "apache-2.0"
    lines = [f"{name}: {json.dumps(value)}" for name, value in header.items()]  # JSON is YAML
    own = next((path for path in _own_cards(network) if path.is_file()), None)
    text = own.read_text(encoding="utf-8") if own else f"# {network.name}\n\nNo card was beside {network.path.name}.\n"
    use = USE if network.architecture == "segment" else ""
    return "\n".join(["---", *lines, "---", "", f"*{WARNING}*", "", use, text])


def _own_cards(network: ExportableNetwork) -> tuple[Path, ...]:
    """List where a network's own card may lie: in the package, or beside the network of a run."""
    return (network.path.with_suffix(".md"), network.path.parent / "card.md")


def _is_shipped(network: ExportableNetwork) -> bool:
    return network.path == SHIPPED_NETWORK


def _copy_license(path: Path) -> None:
    """Copy the package's license, where it was installed with it."""
    try:
        files = metadata.files("salus") or []
    except metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name == LICENSE and Path(str(file.locate())).is_file():
            shutil.copyfile(str(file.locate()), path)
            return
