"""Look up the processor: its name, its cores, and the features that decide how fast networks run."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")
"""Flags of processors on which bfloat16 arithmetic is faster than float32."""

FEATURES = {"avx2": ("avx2",), "avx512": ("avx512f",), "bf16": BFLOAT16_FLAGS, "amx": ("amx_tile",)}
"""Features that decide the speed of networks; a processor has one if it has any of its flags."""


MAX_WORKERS = 8
"""Largest number of images at a time by default; each takes memory."""


def processor_flags() -> list[str]:
    """List the processor's feature flags by their Linux names; empty on other systems."""
    return _field("flags", "Features").split()


def processor_name() -> str:
    """Return the processor's name, "unknown" where the system does not say."""
    return _field("model name") or platform.processor() or "unknown"


def processor_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """Return the number of images to work on at a time: one a core, `MAX_WORKERS` at most."""
    return min(processor_cores(), MAX_WORKERS)


def processor_features() -> dict[str, bool] | None:
    """Tell which of `FEATURES` the processor has; None where the system does not say."""
    flags = set(processor_flags())
    return {name: bool(flags & set(any_of)) for name, any_of in FEATURES.items()} if flags else None


def _field(*names: str) -> str:
    """Read the first line of /proc/cpuinfo that starts with one of `names`; empty where there is none."""
    if not CPUINFO.is_file():
        return ""
    for line in CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(names):
            return line.split(":", 1)[1].strip()
    return ""
