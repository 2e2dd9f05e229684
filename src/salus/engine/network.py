"""What every open network is, whichever engine runs it, and the settings in its file's metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from salus.errors import SalusError

if TYPE_CHECKING:
    import numpy as np

SETTINGS = "salus"
"""Metadata key of an ONNX file under which Salus stores a network's settings, as JSON."""

BFLOAT16_HOLDS = "bfloat16_holds"
"""Setting that is true where the network's result was measured to stay the same in bfloat16; see docs/results."""


class Network(Protocol):
    """A network that is loaded; several threads may run it at once.

    Attributes:
        engine: name of the engine that runs it.
        precision: "float32" or "bfloat16", in which it computes.
        inputs: shape of each input by name; None for an axis of free size.
        outputs: names of the outputs.
        settings: settings in the file's metadata; empty where it has none.
    """

    engine: str
    precision: str
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    settings: dict[str, Any]

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs by name from all inputs by name (float32)."""


def parse_settings(text: str, path: Path) -> dict[str, Any]:
    """Parse a network's settings from its metadata; empty where there are none.

    Raises:
        SalusError: they are no JSON object.
    """
    try:
        settings = json.loads(text) if text else {}
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise SalusError(f"{path}: its settings cannot be read; export the network again")
    return settings


def unreadable_network(path: Path, error: Exception) -> SalusError:
    """Make the error for a file that an engine cannot load."""
    return SalusError(
        f"{path}: cannot be read as a network, give the .onnx file of one ({' '.join(str(error).split())[:120]})"
    )
