"""What this installation is: versions, processor, engines and shipped networks, without loading any of them."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from salus import __version__
from salus.engine import ENGINES
from salus.processor import processor_cores, processor_features, processor_name
from salus.weights import SHIPPED_WEIGHTS

CHECKSUM = {True: "checksum ok", False: "DAMAGED, install Salus again", None: "no checksum stated"}

CARDS = ("weights.json", "segment.json")


@dataclass(frozen=True)
class ShippedNetwork:
    """A network in the package.

    Attributes:
        name: of its file.
        size: in bytes.
        intact: whether its SHA-256 is the stated one; None where none is stated.
    """

    name: str
    size: int
    intact: bool | None


@dataclass(frozen=True)
class Info:
    """An installation.

    Attributes:
        versions: of salus, python and numpy.
        processor: its name.
        cores: that this process may use.
        features: whether the processor has avx2, avx512, bf16 and amx; None where the system does not say.
        engines: version of each engine, None where it is not installed.
        networks: those in the package, by name.
    """

    versions: dict[str, str]
    processor: str
    cores: int
    features: dict[str, bool] | None
    engines: dict[str, str | None]
    networks: tuple[ShippedNetwork, ...]


def gather(folder: Path = SHIPPED_WEIGHTS) -> Info:
    """Look at this installation; imports neither an engine nor NumPy.

    Args:
        folder: of the shipped networks; need not exist.
    """
    return Info(
        versions={"salus": __version__, "python": platform.python_version(), "numpy": _version("numpy") or "missing"},
        processor=processor_name(),
        cores=processor_cores(),
        features=processor_features(),
        engines={name: _version(name) for name in ENGINES},
        networks=shipped_networks(folder),
    )


def shipped_networks(folder: Path) -> tuple[ShippedNetwork, ...]:
    """The .onnx files of a folder, by name, each compared with the checksum that the folder's JSON files state."""
    stated = _stated(folder)
    return tuple(_examine(path, stated.get(path.name)) for path in sorted(folder.glob("*.onnx")))


def render(info: Info) -> str:
    """The information as a text table."""
    has = "not known" if info.features is None else " ".join(n for n, there in info.features.items() if there) or "none"
    rows = [
        *info.versions.items(),
        ("processor", f"{info.processor}, {info.cores} {'core' if info.cores == 1 else 'cores'}"),
        ("features", has),
        *((name, found or "not installed") for name, found in info.engines.items()),
        *((n.name, f"{n.size / 1e6:.1f} MB, {CHECKSUM[n.intact]}") for n in info.networks),
    ]
    if not info.networks:
        rows.append(("networks", "none shipped"))
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows)


def _version(package: str) -> str | None:
    """The version of what is installed under a name; None where nothing is."""
    if find_spec(package) is None:
        return None
    try:
        return version(package)
    except PackageNotFoundError:  # onnxruntime-gpu and its kin bring the same module under another name
        return "installed"


def _stated(folder: Path) -> dict[str, str]:
    """SHA-256 by file name, from the cards that are there; what is no such card states nothing."""
    stated: dict[str, str] = {}
    for path in (folder / name for name in CARDS):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        stated |= found if isinstance(found, dict) else {f"{path.stem}.onnx": str(found)}
    return stated


def _examine(path: Path, stated: str | None) -> ShippedNetwork:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return ShippedNetwork(path.name, path.stat().st_size, None if stated is None else found == stated)
