"""Tell whether a network was trained on the images that it is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.data.case import Case
from salus.data.fingerprint import fingerprint, image_digests
from salus.engine import open_network


@dataclass(frozen=True)
class TrainingSet:
    """A data set that a network, or one from which it was fine-tuned, learnt from.

    Attributes:
        network: what learnt from it, in words.
        name: of the data set.
        trained_on: which part of the data, in words.
        sha256: of the whole data set.
        images: `salus.data.fingerprint.image_digests` of the images that it was trained on; None where the card is of
            an earlier version, which does not name them.
    """

    network: str
    name: str
    trained_on: str
    sha256: str | None
    images: frozenset[str] | None


def training_sets(settings: Mapping[str, Any], default_name: str) -> list[TrainingSet]:
    """List what a network learnt from by its card, and what the networks learnt from that it was fine-tuned from.

    Args:
        settings: in the network's file.
        default_name: of a network whose settings do not name it.
    """
    card, name = settings.get("card", {}), settings.get("name", default_name)
    cards = [(name, card)]
    cards += [(f"{start['name']}, from which {name} was fine-tuned,", start) for start in card.get("inherited", ())]
    return [
        TrainingSet(
            who,
            data_set,
            learnt.get("trained_on", "every image"),
            entry.get("sha256"),
            frozenset(entry["image_sha256"]) if "image_sha256" in entry else None,
        )
        for who, learnt in cards
        for data_set, entry in learnt.get("data", {}).items()
    ]


def training_warnings(network: Path, cases: Sequence[Case]) -> list[str]:
    """Return a line where the network's card names these very images among those that it was trained on."""
    data_set, images = fingerprint(cases)["sha256"], image_digests(cases)
    lines = []
    for learnt in training_sets(open_network(network).settings, network.stem):
        known = images.intersection(learnt.images or ())
        if known or (learnt.images is None and learnt.sha256 == data_set):
            lines.append(
                f"{learnt.network} was trained on {len(known) or 'most'} of these {len(images)} images (its card: "
                f"{learnt.trained_on} of {learnt.name}); the scores are not of unseen patients"
            )
    return lines
