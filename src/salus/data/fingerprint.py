"""Fingerprints of data sets: digests of their files, by which a run knows its images again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from salus.data.case import Case


def fingerprint(cases: Sequence[Case]) -> dict[str, Any]:
    """Compute the SHA-256 of each case's image, masks and saliency map, and one of all cases.

    Returns:
        "sha256" of all cases, and "cases", the digest by name.
    """

    def digest_of(case: Case) -> str:
        digest = hashlib.sha256()
        for path in (case.image, *(case.masks or ()), *((case.saliency,) if case.saliency else ())):
            digest.update(path.read_bytes() if path.is_file() else b"absent")
        return digest.hexdigest()

    with ThreadPoolExecutor(4) as threads:
        digests = dict(zip((c.name for c in cases), threads.map(digest_of, cases), strict=True))
    joined = "".join(f"{name}{digest}" for name, digest in sorted(digests.items()))
    return {"sha256": hashlib.sha256(joined.encode()).hexdigest(), "cases": digests}


def image_digests(cases: Sequence[Case]) -> set[str]:
    """Compute the first 16 hexadecimal digits of the SHA-256 of each case's image file."""
    return {
        digest[:16] for digest in fingerprint([replace(c, masks=None, saliency=None) for c in cases])["cases"].values()
    }
