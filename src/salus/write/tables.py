"""Tables of a run: lesions.csv, a row for each lesion, and lesions.json, every record in full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from salus.atomic import write_rows
from salus.measure.lesions import Lesion
from salus.scan import Region
from salus.segmentation.result import Segmentation, findings_of, restore_types

FAILED = "failed"
"""The result of an image that failed, beside `FOUND` and `NONE`."""


@dataclass(frozen=True)
class Record:
    """The record of one image: what was found in it, or why it failed, and the file it came from.

    Attributes:
        image: the file, as it was named.
        name: name of its outputs: masks/NAME.png.
        result: `FOUND`, `NONE` or `FAILED`.
        error: why it failed, one line.
        height: height of the image in pixels; None where it failed, as is width.
        width: width of the image in pixels.
        spacing: see `salus.segmentation.result.Segmentation`; so are regions, frame, presence, confidence, strangeness,
            flags, lesions and network. Presence, confidence and strangeness are None where the image failed.
        sha256: checksum of the file; "" of one that is far larger than the picture that its header states.
        size: size of the file in bytes.
        modified: when the file was modified, in nanoseconds.
        seconds: time that reading, segmenting and writing took.
        prompt: what a person pointed at, see `salus.prompts.prompt.describe_prompt`; None without a prompt, and the key
            is then absent in JSON.
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
    prompt: dict[str, Any] | None = None

    def __str__(self) -> str:
        """Describe the result in one line."""
        if self.result == FAILED:
            return self.error
        frame = "" if self.frame is None else f", frame {self.frame}"
        sizes = "; ".join(f"{lesion.longest:.3g} x {lesion.across:.3g} {lesion.unit}" for lesion in self.lesions)
        result = f"{self.result} {sizes}".strip()
        return "; ".join([f"{self.image}{frame}: {result}", f"confidence {self.confidence:.2f}", *self.flags])


def make_record(segmentation: Segmentation, image: str, name: str, **file: Any) -> Record:
    """Make the record of a segmented image.

    Args:
        segmentation: of the image.
        image: its file.
        name: name of its outputs.
        file: sha256, size, modified, seconds and prompt of `Record`.

    Example:
        >>> from salus.data.phantom.make import make_phantom
        >>> from salus.segmentation.segment import segment
        >>> record = make_record(segment(make_phantom(3).image), "scan.png", "scan")
        >>> (record.result == "tumour") == bool(record.lesions)
        True
    """
    height, width = segmentation.mask.shape
    return Record(image, name, segmentation.result, height=height, width=width, **findings_of(segmentation), **file)


def record_json(record: Record) -> dict[str, Any]:
    """Make the JSON of a record, as lesions.json and the journal hold it.

    Example:
        >>> "prompt" in record_json(Record("scan.png", "scan", FAILED))
        False
    """
    content = asdict(record)
    if content["prompt"] is None:
        del content["prompt"]
    return content


def read_record(content: Mapping[str, Any]) -> Record:
    """Read a record from the JSON of `record_json`; older ones without regions and frame too.

    Raises:
        TypeError, ValueError, KeyError: it is no record.
    """
    return Record(**restore_types(content))


COLUMNS = (
    "image", "name", "frame", "result", "presence", "confidence", "strangeness", "flags", "image_height", "image_width",
    "lesions", "lesion", "lesion_confidence", "unit", "area", "longest", "across", "width", "height", "perimeter",
    "depth", "border", "tilt", "parallel", "circularity", "solidity", "irregularity", "contrast", "area_px",
    "top", "left", "box_height", "box_width", "centroid_row", "centroid_column", "at_border", "error",
)  # fmt: skip
"""Columns of lesions.csv. An image without a lesion, or one that failed, has one row without the lesion's columns."""

LESION_COLUMNS = tuple(name for name in COLUMNS if name in Lesion.__annotations__ and name != "confidence")
"""Columns that are named as the fields of `Lesion` they hold; the column "confidence" is the image's."""


def lesion_rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Make the rows of lesions.csv; floats as text of six digits."""
    rows = []
    for record in records:
        image = {
            "image": record.image,
            "name": record.name,
            "frame": record.frame,
            "result": record.result,
            "presence": record.presence,
            "confidence": record.confidence,
            "strangeness": record.strangeness,
            "flags": "; ".join(record.flags),
            "image_height": record.height,
            "image_width": record.width,
            "lesions": None if record.result == FAILED else len(record.lesions),
            "error": record.error,
        }
        for lesion in record.lesions or (None,):
            row = image if lesion is None else image | _lesion_columns(lesion)
            rows.append({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    return rows


def write_csv(path: Path, records: Iterable[Record]) -> None:
    """Write lesions.csv: UTF-8, a line of column names, then `lesion_rows`.

    Raises:
        OSError: it cannot be written.
    """
    write_rows(path, lesion_rows(records), COLUMNS)


def records_json(records: Sequence[Record]) -> dict[str, Any]:
    """Make the content of lesions.json, which --json prints too: each record in full."""
    return {"images": [record_json(record) for record in records]}


def _lesion_columns(lesion: Lesion) -> dict[str, Any]:
    top, left, box_height, box_width = lesion.box
    row, column = lesion.centroid
    return {name: getattr(lesion, name) for name in LESION_COLUMNS} | {
        "lesion": lesion.number,
        "lesion_confidence": lesion.confidence,
        "top": top,
        "left": left,
        "box_height": box_height,
        "box_width": box_width,
        "centroid_row": row,
        "centroid_column": column,
    }
