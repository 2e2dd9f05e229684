"""The result of segmenting one image, and the fields it shares with the tables' record and the page's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, cast

import numpy as np

from salus.measure.lesions import Lesion
from salus.scan import Region


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The tumours outlined in one image.

    Attributes:
        mask: (height, width) bool, the tumour, at the image's size; all False where none was found.
        probability: (height, width) float32 in [0, 1], calibrated.
        saliency: (height, width) float32 in [0, 1], where the network looked.
        presence: probability that the image shows a tumour at all.
        lesions: each connected component of the mask, the largest first.
        confidence: in [0, 1]: with lesions the Dice to expect; without, 1 - presence, which is no frequency.
        strangeness: how far the image lies from those the network knows, about 1 at the limit.
        flags: what a reader must know, one line each.
        spacing: (row, column) size of a pixel in mm, None where the source does not say.
        source: the image's file, or what made it.
        network: the name of the network.
        regions: the parts of the image that were segmented; empty means all of it.
        frame: number of the frame in its file, from 1; None where the file holds one image.

    Example:
        >>> from salus import make_phantom, segment
        >>> result = segment(make_phantom(3).image)
        >>> result.mask.shape == result.probability.shape, 0 <= result.confidence <= 1
        (True, True)
    """

    mask: np.ndarray
    probability: np.ndarray
    saliency: np.ndarray
    presence: float
    lesions: tuple[Lesion, ...]
    confidence: float
    strangeness: float
    flags: tuple[str, ...]
    spacing: tuple[float, float] | None
    source: str
    network: str
    regions: tuple[Region, ...] = ()
    frame: int | None = None

    @property
    def found(self) -> bool:
        """Whether there is a lesion."""
        return bool(self.lesions)


class Findings(TypedDict):
    """The fields that `Segmentation`, `salus.write.tables.Record` and `salus.serve.result_json.Answer` share."""

    presence: float
    lesions: tuple[Lesion, ...]
    confidence: float
    strangeness: float
    flags: tuple[str, ...]
    spacing: tuple[float, float] | None
    network: str
    regions: tuple[Region, ...]
    frame: int | None


def findings_of(result: Any) -> Findings:
    """Collect the shared fields of a segmentation, a record or an answer, to make another of the three.

    Example:
        >>> from salus import make_phantom, segment
        >>> findings_of(segment(make_phantom(3).image))["network"]
        'salus-4'
    """
    return cast(Findings, {name: getattr(result, name) for name in Findings.__annotations__})


def restore_types(content: Mapping[str, Any]) -> dict[str, Any]:
    """Restore the types that JSON lost in a record or an answer: lesions, regions, and tuples in place of lists.

    Args:
        content: what `dataclasses.asdict` made, read back from JSON; regions may be missing, as in older files.

    Raises:
        TypeError, ValueError, KeyError: it is no record and no answer.
    """
    return _tuples(content) | {
        "lesions": tuple(Lesion(**_tuples(lesion)) for lesion in content["lesions"]),
        "regions": tuple(Region(**_tuples(region)) for region in content.get("regions", ())),
    }


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in dict(content).items()}
