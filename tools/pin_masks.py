"""Pin what the shipped network outlines in phantoms: the masks that tests/test_pinned.py holds every engine to.

    python tools/pin_masks.py            # after a new network was put into src/salus/weights; look at what it wrote

Phantoms with and without a tumour, found and missed, are kept as they come, but for unsure outlines: a pinned mask says
what this network answers, not what is right.
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
WANTED = 8
"""Phantoms with an outline; one without is pinned as well."""

SURE = 0.6
"""Outlines of less confidence are passed over: the rounding of bfloat16 moves them."""


def main() -> None:
    """Write tests/pinned."""
    PINNED.mkdir(exist_ok=True)
    for old in PINNED.glob("*.png"):
        old.unlink()
    segmenter, kept, empty = Segmenter(engine="openvino"), [], []
    for seed in range(200):
        found = segmenter(make_phantom(seed).image)
        if found.found and found.confidence < SURE:
            continue
        if found.found and len(kept) < WANTED:
            kept.append(seed)
        elif not found.found and not empty:
            empty.append(seed)
        else:
            continue
        write_mask(PINNED / f"phantom-{seed}.png", found.mask)
        if len(kept) == WANTED and empty:
            break
    checksum = hashlib.sha256(SHIPPED_NETWORK.read_bytes()).hexdigest()
    note = {"network": segmenter.settings.name, "sha256": checksum, "seeds": sorted(kept + empty)}
    (PINNED / "pinned.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    print(f"{PINNED}: {len(kept)} phantoms with an outline, {len(empty)} without, by {note['network']}")


if __name__ == "__main__":
    main()
