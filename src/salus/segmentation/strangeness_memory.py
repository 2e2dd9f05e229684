"""Remember how strange the last images were, so that the next click in one of them needs no run for that."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b

import numpy as np

SIZE = 64
"""Number of images that are remembered, those used last."""


class StrangenessMemory:
    """The strangeness of the last images without a prompt, by their content. Safe to use from several threads."""

    def __init__(self) -> None:
        self._values: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, image: np.ndarray) -> float | None:
        """Return the strangeness of an input of the network, (S, S, 1); None if it is not remembered."""
        key = _key(image)
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def remember(self, image: np.ndarray, strangeness: float) -> None:
        """Remember the strangeness of an input of the network; forget the one used longest ago."""
        with self._lock:
            self._values[_key(image)] = strangeness
            if len(self._values) > SIZE:
                self._values.popitem(last=False)


def _key(image: np.ndarray) -> bytes:
    return blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()
