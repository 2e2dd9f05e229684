"""The result of segmenting one image, and the fields it shares with the tables' record and the page's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np

from salus.atomic import write_json, write_picture
from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.measure.outline import Point, polygons
from salus.scan import Region
from salus.segmentation.lesion_masks import lesion_masks

if TYPE_CHECKING:
    from PIL import Image

    from salus.segmentation.review import Description, HandCalibration, Review

FOUND, NONE = "tumour", "no tumour found"
"""The two results of a segmented image, as lesions.csv has them."""


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """The tumours outlined in one image. A notebook shows its overlay and a table of its lesions.

    Attributes:
        mask: (height, width) bool, the tumour, at the image's size; all False where none was found.
        probability: (height, width) float32 in [0, 1], calibrated.
        saliency: (height, width) float32 in [0, 1], where a tumour is, coarsely.
        presence: probability that the image shows a tumour at all.
        lesions: each connected component of the mask, the largest first.
        confidence: in [0, 1]: with lesions the Dice to expect; without, 1 - presence, which is no frequency.
        strangeness: how far the image lies from those the network knows: 99.5% of its training images have at most 1.
        flags: what a reader must know, one line each.
        spacing: (row, column) size of a pixel in mm, None where the source does not say.
        source: the image's file, or what made it.
        network: the name of the network.
        regions: the parts of the image that were segmented; empty means all of it.
        frame: number of the frame in its file, from 1; None where the file holds one image.
        pixels: (height, width) float32 in [0, 1], the image itself, for the overlay; None where it was not kept.
        threshold: probability from which on a pixel belongs to the mask.
        review: who saved the outline in place of the network's; None where nobody did.
        description: what a reader noted of the image; None where nobody did.
        calibration: how a reader found the size of a pixel; None where the source states it, or nobody did.

    Example:
        >>> from salus import make_phantom, segment
        >>> result = segment(make_phantom(3).image)
        >>> result.mask.shape == result.probability.shape, 0 <= result.confidence <= 1
        (True, True)
        >>> result
        Segmentation(the image, 345 x 477: tumour ... px; confidence 0.7...)
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
    pixels: np.ndarray | None = None
    threshold: float = 0.5
    review: Review | None = None
    calibration: HandCalibration | None = None
    description: Description | None = None

    @property
    def found(self) -> bool:
        """Whether there is a lesion."""
        return bool(self.lesions)

    @property
    def result(self) -> str:
        """`FOUND` or `NONE`, as the column of lesions.csv."""
        return FOUND if self.lesions else NONE

    def __repr__(self) -> str:
        height, width = self.mask.shape
        frame = "" if self.frame is None else f", frame {self.frame}"
        sizes = "; ".join(f"{lesion.longest:.3g} x {lesion.across:.3g} {lesion.unit}" for lesion in self.lesions)
        text = "; ".join([f"{self.result} {sizes}".strip(), f"confidence {self.confidence:.2f}", *self.flags])
        return f"Segmentation({self.source}{frame}, {width} x {height}: {text})"

    def overlay(self, pixels: np.ndarray | None = None) -> Image.Image:
        """Draw the outline on the image, black outside its regions: an RGB picture of the image's size.

        Args:
            pixels: (height, width) in [0, 1], to draw on; None takes the image that was segmented.

        Raises:
            SalusError: the image was not kept, and no pixels are given; or they are of another size.

        Example:
            >>> from salus import make_phantom, segment
            >>> phantom = make_phantom(3)
            >>> segment(phantom.image).overlay().size == phantom.image.shape[::-1]
            True
        """
        from salus.overlay import draw_overlay

        pixels = self.pixels if pixels is None else np.asarray(pixels)
        if pixels is None:
            raise SalusError(f"{self.source}: its pixels were not kept; give them, overlay(pixels)")
        if pixels.shape != self.mask.shape:
            raise SalusError(f"{self.source}: pixels of the shape {pixels.shape}, the mask has {self.mask.shape}")
        return draw_overlay(pixels, self.mask, self.regions)

    def save(self, path: PathLike[str] | str) -> None:
        """Write the mask, the overlay or the measurements, as the file's suffix says.

        Args:
            path: .png for the mask (255 tumour, 0 elsewhere), .jpg for the overlay, .json for `to_dict`. An existing
                file is replaced. `salus segment --output` writes many other formats.

        Raises:
            SalusError: it has another suffix, or the overlay's pixels were not kept.
            OSError: the file cannot be written.

        Example:
            >>> import tempfile
            >>> from salus import make_phantom, segment
            >>> segment(make_phantom(3).image).save(tempfile.mkdtemp() + "/mask.png")
        """
        from PIL import Image

        from salus.overlay import QUALITY

        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".png":
            write_picture(path, Image.fromarray(self.mask.astype(np.uint8) * 255), "PNG", compress_level=1)
        elif suffix in (".jpg", ".jpeg"):
            write_picture(path, self.overlay(), "JPEG", quality=QUALITY, subsampling=0)
        elif suffix == ".json":
            write_json(path, self.to_dict())
        else:
            raise SalusError(
                f"{path}: a segmentation is saved as .png (mask), .jpg (overlay) or .json (measurements); "
                "salus segment --output writes other formats"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, ready for JSON, with the names of `lesions.json`.

        Example:
            >>> from salus import make_phantom, segment
            >>> list(segment(make_phantom(3).image).to_dict())[:5]
            ['image', 'result', 'height', 'width', 'presence']
        """
        height, width = self.mask.shape
        found = findings_of(self)
        return {
            "image": self.source,
            "result": self.result,
            "height": height,
            "width": width,
            **found,
            "lesions": [_lists(asdict(lesion)) for lesion in self.lesions],
            "flags": list(self.flags),
            "spacing": None if self.spacing is None else list(self.spacing),
            "regions": [_lists(asdict(region)) for region in self.regions],
        }

    def polygons(self) -> list[list[list[Point]]]:
        """Trace the outlines of each lesion, in the order of `lesions`.

        Returns:
            For each lesion its closed outlines, the outer one and those of holes, each a list of (x, y) corners of
            pixels, from the image's upper left corner; filled by the even-odd rule they give the mask, to the pixel.

        Example:
            >>> from salus import make_phantom, segment
            >>> result = segment(make_phantom(3).image)
            >>> len(result.polygons()) == len(result.lesions)
            True
        """
        return [polygons(mask) for _, mask in lesion_masks(self)]

    def _repr_png_(self) -> bytes | None:
        """Show the overlay in a notebook; None where the pixels were not kept."""
        if self.pixels is None:
            return None
        content = BytesIO()
        self.overlay().save(content, "PNG", compress_level=1)
        return content.getvalue()

    def _repr_html_(self) -> str:
        """Show the overlay and a table of the lesions in a notebook."""
        from salus.segmentation.notebook import segmentation_html

        return segmentation_html(self, self._repr_png_())


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
        'salus-7'
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


def _lists(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in dict(content).items()}
