"""Pin what the shipped network outlines in phantoms: the masks that tests/test_pinned.py holds every engine to.

    python tools/pin_masks.py            # after a new network was put into src/salus/weights; look at what it wrote

Phantoms are taken in order of their seeds, whether the network is right or not, except those with an unsure outline: a
pinned mask is what this network answers, not what is right.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from salus.data.phantom.make import make_phantom
from salus.segmentation.segmenter import Segmenter
from salus.weights import SHIPPED_NETWORK
from salus.write.png import write_mask

PINNED = Path(__file__).resolve().parent.parent / "tests" / "pinned"
OUTLINED = 8
"""Number of phantoms with an outline that are pinned; one without is pinned as well."""

MIN_CONFIDENCE = 0.7
"""Outlines of less confidence are skipped, because the rounding of bfloat16 moves them."""


def main() -> None:
    """Write tests/pinned."""
    PINNED.mkdir(exist_ok=True)
    for old in PINNED.glob("*.png"):
        old.unlink()
    segmenter, kept, empty = Segmenter(engine="openvino"), [], []
    for seed in range(200):
        segmentation = segmenter(make_phantom(seed).image)
        if segmentation.found and segmentation.confidence < MIN_CONFIDENCE:
            continue
        if segmentation.found and len(kept) < OUTLINED:
            kept.append(seed)
        elif not segmentation.found and not empty:
            empty.append(seed)
        else:
            continue
        write_mask(PINNED / f"phantom-{seed}.png", segmentation.mask)
        if len(kept) == OUTLINED and empty:
            break
    checksum = hashlib.sha256(SHIPPED_NETWORK.read_bytes()).hexdigest()
    note = {"network": segmenter.settings.name, "sha256": checksum, "seeds": sorted(kept + empty)}
    (PINNED / "pinned.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    print(f"{PINNED}: {len(kept)} phantoms with an outline, {len(empty)} without, by {note['network']}")


if __name__ == "__main__":
    main()
