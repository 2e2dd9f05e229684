"""Fingerprints of data sets: digests of their files, by which a run knows its images again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from salus.data.case import Case


def fingerprint(cases: Sequence[Case]) -> dict[str, Any]:
    """Compute the SHA-256 of each case's image, masks and saliency map, and one of all cases.

    Returns:
        "sha256" of all cases, and "cases", the digest by name.
    """

    files = [(c.image, *(c.masks or ()), *((c.saliency,) if c.saliency else ())) for c in cases]
    digests = dict(zip((c.name for c in cases), _digest_each(files), strict=True))
    joined = "".join(f"{name}{digest}" for name, digest in sorted(digests.items()))
    return {"sha256": hashlib.sha256(joined.encode()).hexdigest(), "cases": digests}


def image_digests(cases: Sequence[Case]) -> set[str]:
    """Compute the first 16 hexadecimal digits of the SHA-256 of each case's image file."""
    return set(list_image_digests(cases))


def list_image_digests(cases: Sequence[Case]) -> list[str]:
    """Compute the same as `image_digests`, one for each case in their order."""
    return [digest[:16] for digest in _digest_each([(case.image,) for case in cases])]


def _digest_each(files: Sequence[Sequence[Path]]) -> list[str]:
    """Compute the SHA-256 of each item's files, one after the other."""

    def digest_of(paths: Sequence[Path]) -> str:
        digest = hashlib.sha256()
        for path in paths:
            digest.update(path.read_bytes() if path.is_file() else b"absent")
        return digest.hexdigest()

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(digest_of, files))
