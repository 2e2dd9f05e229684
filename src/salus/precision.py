"""Remember which precision computes faster on this machine; each measurement is made once and kept.

A processor that lists bfloat16 need not be faster with it: a Xeon with AVX512-BF16 and no AMX is 1.8 times slower, an
EPYC twice as fast. So it is measured, and kept in a small JSON file in the user's cache folder
(Linux: $XDG_CACHE_HOME or ~/.cache, then salus/), one for each processor, its features, and the versions of what
computes. The files may be deleted at any time, and where none can be written it is measured again next time.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from salus import __version__
from salus.atomic import write_json
from salus.processor import processor_features, processor_name

MARGIN = 1.1
"""A lower precision must be this many times as fast as float32 to be taken."""

WARM_UPS, ROUNDS = 2, 12
"""Calls that are not timed, and calls that are."""


@dataclass(frozen=True)
class PrecisionTimes:
    """Time of the same work in several precisions.

    Attributes:
        milliseconds: by precision, "float32" among them.
    """

    milliseconds: Mapping[str, float]

    @property
    def fastest(self) -> str:
        """The precision to take: the fastest if it is `MARGIN` times as fast as float32, else float32."""
        best = min(self.milliseconds, key=lambda name: self.milliseconds[name])
        return best if self.speed_up(best) >= MARGIN else "float32"

    def speed_up(self, precision: str) -> float:
        """Return how many times as fast as float32 a precision is."""
        return self.milliseconds["float32"] / self.milliseconds[precision]


def time_in_turn(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Time functions in turn, so that a busy machine slows them alike, and return the shortest time of each in ms."""
    best = dict.fromkeys(calls, math.inf)
    for round_number in range(WARM_UPS + ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_number >= WARM_UPS:
                best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
    return best


def measure_once(
    subject: str, versions: Mapping[str, str], measure: Callable[[], dict[str, float]], *, again: bool = False
) -> PrecisionTimes:
    """Return the kept measurement of this machine, or make it and keep it.

    Args:
        subject: what is measured, as "openvino"; letters and hyphens.
        versions: of the packages that the result depends on.
        measure: returns milliseconds by precision.
        again: measure in any case.
    """
    kept = None if again else read_measurement(subject, versions)
    if kept is not None:
        return kept
    times = PrecisionTimes(measure())
    path = measurement_path(subject, versions)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, _key(subject, versions) | {"milliseconds": dict(times.milliseconds)})
    return times


def read_measurement(subject: str, versions: Mapping[str, str]) -> PrecisionTimes | None:
    """Read the kept measurement of this machine; None where there is none, or its file is damaged."""
    try:
        content = json.loads(measurement_path(subject, versions).read_text(encoding="utf-8"))
        times = content.pop("milliseconds")
        is_valid = content == _key(subject, versions) and "float32" in times
        if is_valid and all(isinstance(t, float) and 0 < t < math.inf for t in times.values()):
            return PrecisionTimes(times)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


def measurement_path(subject: str, versions: Mapping[str, str]) -> Path:
    """Return the file of a measurement on this machine, which need not exist."""
    from platformdirs import user_cache_path

    digest = hashlib.sha256(json.dumps(_key(subject, versions), sort_keys=True).encode()).hexdigest()
    return user_cache_path("salus", appauthor=False) / f"precision-{subject}-{digest[:16]}.json"


def package_versions(*packages: str) -> dict[str, str]:
    """Look up the versions of Salus and of packages, without importing them; "missing" where one is not installed."""
    versions = {"salus": __version__}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    return versions


def _key(subject: str, versions: Mapping[str, str]) -> dict[str, Any]:
    features = processor_features()
    return {
        "subject": subject,
        "processor": processor_name(),
        "features": features and sorted(name for name, is_present in features.items() if is_present),
        "versions": dict(versions),
    }
