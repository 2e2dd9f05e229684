"""Read ultrasound images and cines from DICOM files, of any transfer syntax for which a decoder is installed.

stored values -> decoded (colour to RGB) -> modality and VOI transforms (PS3.3 C.11.1, C.11.2) -> grey in [0, 1]

The header is read and checked when a file is opened, and a frame is decoded when it is read. Errors and notes quote
nothing of the file's text, which may name the patient.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.dicom_header import (
    DEFLATED,
    UNDEFINED_LENGTH,
    DicomHeader,
    import_pydicom,
    read_header,
    read_transfer_syntax,
)
from salus.read.dicom_pixels import apply_grey_transforms
from salus.read.dicom_regions import read_regions
from salus.read.jpeg_header import read_frame_size
from salus.read.limits import check_file, check_frame_number, check_size
from salus.scan import Region, Scan, valid_spacing

MODALITIES_WITHOUT_IMAGE = (
    "SR", "SEG", "PR", "KO", "DOC", "RTSTRUCT", "REG", "AU", "ECG", "HD", "PLAN", "FID", "SMR", "M3D",
)  # fmt: skip
"""Modalities whose objects hold no picture."""

LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
"""Transfer syntaxes that python-gdcm decodes."""


@dataclass(frozen=True, eq=False)
class DicomFrames:
    """Frames of a DICOM file, as `salus.read.frames.Frames`.

    Attributes:
        source: the file.
        count: number of frames.
        seconds: time from one frame to the next; None where the file does not say.
        shape: (rows, columns).
        regions: see `salus.read.dicom_regions.read_regions`.
        spacing: (row, column) size of a pixel in mm where all regions agree; None elsewhere.
        notes: remarks for the reader, one line each.
        header: the pydicom Dataset, without pixels.
        pixel_offset: byte offset of the pixel data's value; None where the file is deflated.
    """

    source: str
    count: int
    seconds: float | None
    shape: tuple[int, int]
    regions: tuple[Region, ...]
    spacing: tuple[float, float] | None
    notes: tuple[str, ...]
    header: Any
    pixel_offset: int | None

    def scan(self, number: int = 1) -> Scan:
        """Decode one frame; see `Frames`."""
        check_frame_number(self.source, number, self.count)
        try:
            self._check_encoded_size(number)
            grey = apply_grey_transforms(_decode_frame(Path(self.source), number - 1, self.header), self.header)
            self._check_shape(number, grey.shape)
        except SalusError:
            raise
        except MemoryError:
            raise SalusError(f"{self.source}: frame {number} does not fit into memory") from None
        except Exception as error:  # pydicom and the decoders raise many kinds; their words may quote the file
            name = type(error).__name__
            raise SalusError(f"{self.source}: the pixel data of frame {number} are damaged ({name})") from None
        frame = number if self.count > 1 else None
        return Scan(grey, self.source, self.spacing, self.regions, frame, self.notes)

    def _check_encoded_size(self, number: int) -> None:
        """Check the size in a compressed frame's own header, before a decoder takes memory for it."""
        from pydicom.encaps import get_frame

        if self.pixel_offset is None or not self.header.file_meta.TransferSyntaxUID.is_encapsulated:
            return
        with Path(self.source).open("rb") as file:
            file.seek(self.pixel_offset)
            stream = get_frame(file, number - 1, number_of_frames=self.count)
        size = read_frame_size(stream)
        if size is not None:
            self._check_shape(number, size)

    def _check_shape(self, number: int, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise SalusError(f"{self.source}: frame {number} is of another size than the file says; it is damaged")


def open_dicom(path: Path | str) -> DicomFrames:
    """Read and check a DICOM file's header.

    Raises:
        SalusError: pydicom is not installed; the file is missing, damaged, no image, or beyond a limit; or no decoder
            for its transfer syntax is installed.

    Example:
        >>> open_dicom("no.dcm")
        Traceback (most recent call last):
        salus.errors.SalusError: no.dcm: no such file
    """
    path = Path(path)
    file_size = check_file(path)
    header = read_header(path)
    try:
        return _check_header(path, file_size, header)
    except SalusError:
        raise
    except Exception as error:  # a tag is parsed when it is read, and pydicom raises many kinds
        raise SalusError(f"{path}: its DICOM header is damaged ({type(error).__name__})") from None


def _check_header(path: Path, file_size: int, header: DicomHeader) -> DicomFrames:
    """Check that a header is that of an image within the limits, and gather what it says of the frames."""
    dataset = header.dataset
    modality = str(dataset.get("Modality", "") or "")
    if modality in MODALITIES_WITHOUT_IMAGE:
        raise SalusError(f"{path}: is a DICOM object of kind {modality}, no image")
    rows, columns = (_integer(dataset, name, 0) for name in ("Rows", "Columns"))
    frames = _integer(dataset, "NumberOfFrames", 1)
    if header.pixel_bytes is None or not rows or not columns:
        raise SalusError(f"{path}: is a DICOM object without an image")
    check_size(path, rows, columns, frames)
    samples, bits = _integer(dataset, "SamplesPerPixel", 1), _integer(dataset, "BitsAllocated", 8)
    if samples not in (1, 3) or bits not in (8, 16):
        raise SalusError(f"{path}: {samples} values of {bits} bits a pixel are not read; convert it to 8 or 16 bits")
    _check_decoder(path, dataset)
    if header.pixel_bytes != UNDEFINED_LENGTH:
        is_subsampled = str(dataset.get("PhotometricInterpretation", "")) in ("YBR_FULL_422", "YBR_PARTIAL_422")
        expected = rows * columns * (2 if is_subsampled and samples == 3 else samples) * (bits // 8) * frames
        available = header.pixel_bytes
        if header.pixel_offset is not None:
            available = min(available, file_size - header.pixel_offset)
        if available < expected:
            raise SalusError(
                f"{path}: its pixel data are cut short ({available:,} of {expected:,} bytes); copy it again"
            )
    regions, notes = read_regions(dataset, rows, columns)
    if modality not in ("US", "IVUS", ""):
        notes = (f"not an ultrasound image: its modality is {modality[:16]}", *notes)
    spacings = {region.spacing for region in regions} or {_pixel_spacing(dataset)}
    return DicomFrames(
        source=str(path),
        count=frames,
        seconds=_frame_seconds(dataset) if frames > 1 else None,
        shape=(rows, columns),
        regions=regions,
        spacing=spacings.pop() if len(spacings) == 1 else None,
        notes=notes,
        header=dataset,
        pixel_offset=header.pixel_offset,
    )


def _check_decoder(path: Path, dataset: Any) -> None:
    """Check that a decoder for the file's transfer syntax is installed."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = import_pydicom().pixels.get_decoder(syntax)
    except NotImplementedError:
        raise SalusError(f"{path}: its transfer syntax ({_plain(syntax)}) holds no pixels that Salus reads") from None
    if not decoder.is_available:
        package = "python-gdcm" if syntax in LOSSLESS_JPEG else "'salus[dicom]'"
        raise SalusError(f"{path}: no decoder for {_plain(syntax.name)} is installed; pip install {package}")


def _decode_frame(path: Path, index: int, dataset: Any) -> np.ndarray:
    """Decode one frame to values as stored, colour as RGB."""
    pydicom = import_pydicom()
    source: Any = str(path)
    if dataset.file_meta.TransferSyntaxUID == DEFLATED or read_transfer_syntax(path) is None:
        # pydicom cannot read a single frame of such files.
        source = pydicom.dcmread(path, force=True)
        source.file_meta = dataset.file_meta
    return np.asarray(pydicom.pixels.pixel_array(source, index=index))


def _pixel_spacing(dataset: Any) -> tuple[float, float] | None:
    """Read the (row, column) size of a pixel in mm of an image without regions; None without one."""
    numbers = _numbers(dataset, "PixelSpacing")
    return valid_spacing(*numbers) if len(numbers) == 2 else None


def _frame_seconds(dataset: Any) -> float | None:
    """Read the time from one frame to the next in seconds, from the first tag that has it; None without one."""
    steps = _numbers(dataset, "FrameTimeVector")[1:]
    times = [_number(dataset, "FrameTime") * 1e-3, sum(steps) / len(steps) * 1e-3 if steps else nan]
    rates = [_number(dataset, name) for name in ("CineRate", "RecommendedDisplayFrameRate")]
    times += [1 / rate if rate else nan for rate in rates]
    return next((seconds for seconds in times if isfinite(seconds) and seconds > 0), None)


def _numbers(dataset: Any, name: str) -> list[float]:
    """Read the numbers of a tag; empty where it is missing or not of numbers."""
    value = dataset.get(name)
    try:
        return [float(number) for number in (value if isinstance(value, MutableSequence) else [value])]
    except (TypeError, ValueError):
        return []


def _number(dataset: Any, name: str) -> float:
    """Read the number of a tag; NaN where it is missing or not one number."""
    numbers = _numbers(dataset, name)
    return numbers[0] if len(numbers) == 1 else nan


def _integer(dataset: Any, name: str, default: int) -> int:
    """Read the whole number of a tag; `default` where it is missing or empty, 0 where it is no number."""
    value = dataset.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _plain(text: str) -> str:
    """Cut a text to 80 characters and drop those that cannot be printed."""
    return "".join(c for c in str(text)[:80] if c.isprintable())
