"""Tell whether a network was trained on the images that it is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from salus.data.case import Case
from salus.data.fingerprint import fingerprint, image_digests
from salus.engine import open_network


def training_warnings(network: Path, cases: Sequence[Case]) -> list[str]:
    """Return a line where the network's card names these very images among those that it was trained on."""
    settings = open_network(network).settings
    card = settings.get("card", {})
    data_set, images = fingerprint(cases)["sha256"], image_digests(cases)
    lines = []
    for name, entry in card.get("data", {}).items():
        known = images.intersection(entry.get("image_sha256", ()))
        if known or entry.get("sha256") == data_set:
            lines.append(
                f"{settings.get('name', network.stem)} was trained on {len(known) or 'most'} of these {len(images)} "
                f"images (its card: {card.get('trained_on', 'every image')} of {name}); the scores are not of unseen "
                "patients"
            )
    return lines
