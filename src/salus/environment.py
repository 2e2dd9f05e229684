"""Describe this installation: versions, processor, engines and shipped networks, without loading any of them."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from salus import __version__
from salus.engine import ENGINES
from salus.engine.speed_test import earlier_measurement, measure_precisions
from salus.precision import PrecisionTimes
from salus.processor import processor_cores, processor_features, processor_name
from salus.weights import SHIPPED_WEIGHTS

CHECKSUM_TEXT = {True: "checksum ok", False: "DAMAGED, install Salus again", None: "no checksum stated"}

ONE_PRECISION = "float32 is the only one here"

CARDS = ("weights.json", "segment.json")
"""JSON files that state the checksums of shipped networks."""


@dataclass(frozen=True)
class ShippedNetwork:
    """A network in the package.

    Attributes:
        name: name of its file.
        size: bytes.
        intact: whether its SHA-256 is the stated one; None where none is stated.
    """

    name: str
    size: int
    intact: bool | None


@dataclass(frozen=True)
class Info:
    """Description of an installation.

    Attributes:
        versions: of salus, python and numpy.
        processor: name of the processor.
        cores: number of cores that this process may use.
        features: whether the processor has avx2, avx512, bf16 and amx; None where the system does not say.
        engines: version of each engine; None where it is not installed.
        networks: the networks in the package, sorted by name.
        precisions: milliseconds that OpenVINO takes for the same work in each precision; None where that was not
            measured yet.
    """

    versions: dict[str, str]
    processor: str
    cores: int
    features: dict[str, bool] | None
    engines: dict[str, str | None]
    networks: tuple[ShippedNetwork, ...]
    precisions: Mapping[str, float] | None = None


def collect_info(folder: Path = SHIPPED_WEIGHTS, *, measure: bool = False) -> Info:
    """Describe this installation; imports neither an engine nor NumPy unless it measures.

    Args:
        folder: folder of the shipped networks; need not exist.
        measure: measure the precisions now, also where they were measured before.
    """
    times = measure_precisions(again=True) if measure else earlier_measurement()
    return Info(
        versions={"salus": __version__, "python": platform.python_version(), "numpy": _version("numpy") or "missing"},
        processor=processor_name(),
        cores=processor_cores(),
        features=processor_features(),
        engines={name: _version(name) for name in ENGINES},
        networks=check_shipped_networks(folder),
        precisions=None if times is None else times.milliseconds,
    )


def check_shipped_networks(folder: Path) -> tuple[ShippedNetwork, ...]:
    """Compare each .onnx file of a folder, sorted by name, with the checksum that the folder's JSON files state."""
    checksums = _read_checksums(folder)
    return tuple(_check_network(path, checksums.get(path.name)) for path in sorted(folder.glob("*.onnx")))


def render_info(info: Info) -> str:
    """Render the description as a text table."""
    if info.features is None:
        features = "not known"
    else:
        features = " ".join(name for name, is_present in info.features.items() if is_present) or "none"
    rows = [
        *info.versions.items(),
        ("processor", f"{info.processor}, {info.cores} {'core' if info.cores == 1 else 'cores'}"),
        ("features", features),
        *((name, engine_version or "not installed") for name, engine_version in info.engines.items()),
        ("precision", _render_precisions(info.precisions)),
        *((n.name, f"{n.size / 1e6:.1f} MB, {CHECKSUM_TEXT[n.intact]}") for n in info.networks),
    ]
    if not info.networks:
        rows.append(("networks", "none shipped"))
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows)


def _render_precisions(milliseconds: Mapping[str, float] | None) -> str:
    if milliseconds is None:
        return "not measured yet; salus info --measure does"
    times = PrecisionTimes(milliseconds)
    others = [f"{name} {times.speed_up(name):.1f} times as fast" for name in milliseconds if name != "float32"]
    return f"{times.fastest} is the faster here ({', '.join(others)}, float32 1)" if others else ONE_PRECISION


def _version(package: str) -> str | None:
    """Look up the version of an installed package; None where it is not installed."""
    if find_spec(package) is None:
        return None
    try:
        return version(package)
    except PackageNotFoundError:  # onnxruntime-gpu and its like have the same module but another package name
        return "installed"


def _read_checksums(folder: Path) -> dict[str, str]:
    """Read the SHA-256 of each file name from the folder's cards; missing and damaged cards are skipped."""
    checksums: dict[str, str] = {}
    for path in (folder / name for name in CARDS):
        try:
            sha256 = json.loads(path.read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        checksums |= sha256 if isinstance(sha256, dict) else {f"{path.stem}.onnx": str(sha256)}
    return checksums


def _check_network(path: Path, stated: str | None) -> ShippedNetwork:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ShippedNetwork(path.name, path.stat().st_size, None if stated is None else sha256 == stated)
