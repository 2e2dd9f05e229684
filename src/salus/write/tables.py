"""What was found in each image, as lesions.csv, a row a lesion, and lesions.json, the same in full."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from salus.atomic import write_whole
from salus.measure.lesions import Lesion
from salus.scan import Region
from salus.segmentation.result import Segmentation

FOUND, NONE, FAILED = "tumour", "no tumour found", "failed"


@dataclass(frozen=True)
class Record:
    """What is kept of one image.

    Attributes:
        image: the file, as it was named.
        name: of its outputs: masks/NAME.png.
        result: `FOUND`, `NONE` or `FAILED`.
        error: why it failed, one line.
        height: of the image, and width: likewise, pixels.
        spacing: (row, column) size of a pixel in mm, None where the image does not say.
        regions: the parts of the image that were looked at; empty means all of it.
        frame: its number in the file, from 1; None where the file holds one image.
        presence: probability that the image shows a tumour at all.
        confidence: see `salus.segmentation.result.Segmentation`; so are strangeness, flags, lesions and network.
        sha256: of the file.
        size: of the file in bytes.
        modified: when the file was, in nanoseconds.
        seconds: that reading, segmenting and writing took.
    """

    image: str
    name: str
    result: str
    error: str = ""
    height: int | None = None
    width: int | None = None
    spacing: tuple[float, float] | None = None
    regions: tuple[Region, ...] = ()
    frame: int | None = None
    presence: float | None = None
    confidence: float | None = None
    strangeness: float | None = None
    flags: tuple[str, ...] = ()
    lesions: tuple[Lesion, ...] = ()
    network: str = ""
    sha256: str = ""
    size: int = 0
    modified: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        """One line for a reader."""
        if self.result == FAILED:
            return self.error
        sizes = "; ".join(f"{one.longest:.3g} x {one.across:.3g} {one.unit}" for one in self.lesions)
        said = f"{self.result} {sizes}".strip()
        frame = "" if self.frame is None else f", frame {self.frame}"
        return f"{self.image}{frame}: {said}; confidence {self.confidence:.2f}" + "".join(
            f"; {flag}" for flag in self.flags
        )


def record_of(found: Segmentation, image: str, name: str, **file: Any) -> Record:
    """The record of what was found.

    Args:
        found: in the image.
        image: its file.
        name: of its outputs.
        file: sha256, size, modified and seconds of `Record`.

    Example:
        >>> from salus.data.phantom.make import make_phantom
        >>> from salus.segmentation.segmenter import segment
        >>> record = record_of(segment(make_phantom(3).image), "scan.png", "scan")
        >>> (record.result == "tumour") == bool(record.lesions)
        True
    """
    height, width = found.mask.shape
    return Record(
        image=image,
        name=name,
        result=FOUND if found.lesions else NONE,
        height=height,
        width=width,
        spacing=found.spacing,
        regions=found.regions,
        frame=found.frame,
        presence=found.presence,
        confidence=found.confidence,
        strangeness=found.strangeness,
        flags=found.flags,
        lesions=found.lesions,
        network=found.network,
        **file,
    )


def record_from(content: dict[str, Any]) -> Record:
    """A record of what `asdict` made of it and JSON kept.

    Raises:
        TypeError: it is none.
    """
    lesions = tuple(
        Lesion(**{**one, "box": tuple(one["box"]), "centroid": tuple(one["centroid"])}) for one in content["lesions"]
    )
    regions = tuple(Region(**{**one, "spacing": _pair(one["spacing"])}) for one in content.get("regions", ()))
    told = {"lesions": lesions, "spacing": _pair(content["spacing"]), "regions": regions}
    return Record(**{**content, **told, "flags": tuple(content["flags"])})


def _pair(spacing: list[float] | None) -> tuple[float, float] | None:
    return (spacing[0], spacing[1]) if spacing else None


COLUMNS = (
    "image", "name", "frame", "result", "presence", "confidence", "strangeness", "flags", "image_height", "image_width",
    "lesions", "lesion", "lesion_confidence", "unit", "area", "longest", "across", "width", "height", "perimeter",
    "depth", "border", "tilt", "parallel", "circularity", "solidity", "irregularity", "contrast", "area_px",
    "top", "left", "box_height", "box_width", "centroid_row", "centroid_column", "at_border", "error",
)  # fmt: skip
"""Of lesions.csv. An image without a lesion, and one that failed, has one row with the lesion's columns empty."""


def rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The rows of lesions.csv; floats as text of six digits."""
    found = []
    for record in records:
        head = {name: getattr(record, name) for name in ("image", "name", "frame", "result", "error")}
        head |= {name: getattr(record, name) for name in ("presence", "confidence", "strangeness")}
        head |= {"flags": "; ".join(record.flags), "image_height": record.height, "image_width": record.width}
        if record.result != FAILED:
            head["lesions"] = len(record.lesions)
        for lesion in record.lesions or (None,):
            row = head if lesion is None else head | _columns(lesion)
            found.append({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    return found


def write_csv(path: Path, records: Iterable[Record]) -> None:
    """Write lesions.csv: UTF-8, a line of column names, then `rows`.

    Raises:
        OSError: it cannot be written.
    """

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows(records))

    write_whole(path, write)


def document(records: Sequence[Record]) -> dict[str, Any]:
    """The content of lesions.json, and what --json prints: each record in full."""
    return {"images": [asdict(record) for record in records]}


def write_json(path: Path, content: Any) -> None:
    """Write JSON.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps(content, indent=1) + "\n"
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _columns(lesion: Lesion) -> dict[str, Any]:
    top, left, height, width = lesion.box
    own = (
        "unit", "area", "longest", "across", "width", "height", "perimeter", "depth", "border", "tilt", "parallel",
        "circularity", "solidity", "irregularity", "contrast", "area_px", "at_border",
    )  # fmt: skip
    return {
        "lesion": lesion.number,
        "lesion_confidence": lesion.confidence,
        "top": top,
        "left": left,
        "box_height": height,
        "box_width": width,
        "centroid_row": lesion.centroid[0],
        "centroid_column": lesion.centroid[1],
        **{name: getattr(lesion, name) for name in own},
    }
