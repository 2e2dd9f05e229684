"""Load a segmentation network's file, on request in the background while the rest of the program is imported."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from salus.engine import Network, open_network
from salus.weights import SHIPPED_NETWORK

Key = tuple[Path, bool | None, frozenset[tuple[str, Any]]]

_loading: dict[Key, Future[Network]] = {}


def network_path(network: Path | str | None) -> Path:
    """Return the path of a network; None and "shipped" stand for the one in the package."""
    return SHIPPED_NETWORK if network in (None, "shipped") else Path(str(network))


def load_network(network: Path | str | None, tta: bool | None, **options: Any) -> Network:
    """Load a segmentation network, or wait for it where `start_loading` was called with the same arguments.

    Args:
        network: an .onnx file; None or "shipped" takes the one in the package.
        tta: whether the mirrored image is segmented too, in the same inference; None does what the file says.
        options: see `salus.engine.open_network`.

    Raises:
        SalusError: see `open_network`.
    """
    started = _loading.pop(_key(network, tta, options), None)
    return started.result() if started else _load(network, tta, options)


def start_loading(network: Path | str | None, tta: bool | None, **options: Any) -> None:
    """Start to load a network in another thread; `load_network` with equal arguments then returns it.

    Most of the work needs no lock of Python's, so that the rest of a program can be imported meanwhile.
    """
    import numpy as np  # by one thread: two would import it at once

    _ = np.__version__
    pool = ThreadPoolExecutor(1)
    _loading[_key(network, tta, options)] = pool.submit(_load, network, tta, options)
    pool.shutdown(wait=False)


def _load(network: Path | str | None, tta: bool | None, options: dict[str, Any]) -> Network:
    def images_a_call(settings: dict[str, Any]) -> int:
        with_mirror = settings.get("tta") is True if tta is None else tta
        looks_twice = settings.get("refine") is True  # the second time without the mirror image
        return 2 if with_mirror and not looks_twice else 1

    return open_network(network_path(network), images_a_call=images_a_call, **options)


def _key(network: Path | str | None, tta: bool | None, options: dict[str, Any]) -> Key:
    return network_path(network), tta, frozenset(options.items())
