"""Read ultrasound images and cines from DICOM files, of any transfer syntax for which a decoder is installed.

stored values -> decoded (colour to RGB) -> modality and VOI transforms (PS3.3 C.11.1, C.11.2) -> grey in [0, 1]

The header is read and checked when a file is opened, and a frame is decoded when it is read. Errors and notes quote
nothing of the file's text, which may name the patient.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite, nan, prod
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.decode_process import DecodingError, decode_apart
from salus.read.dicom_decode import JPEG_2000, JPEG_LS, check_pixel_description, decode_frame
from salus.read.dicom_fragments import check_frame_count, read_fragments
from salus.read.dicom_header import UNDEFINED_LENGTH, DicomHeader, import_pydicom, open_data_set, read_header
from salus.read.dicom_pixels import apply_grey_transforms, describe_ignored_fields
from salus.read.dicom_regions import read_pixel_spacing, read_regions
from salus.read.jpeg_header import count_scans, read_frame_size
from salus.read.limits import MAX_JPEG_PIXELS, check_file, check_frame_number, check_size
from salus.scan import Region, Scan

MODALITIES_WITHOUT_IMAGE = (
    "SR", "SEG", "PR", "KO", "DOC", "RTSTRUCT", "REG", "AU", "ECG", "HD", "PLAN", "FID", "SMR", "M3D",
)  # fmt: skip
"""Modalities whose objects hold no picture."""

LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
"""Transfer syntaxes that python-gdcm decodes."""

EXTENDED_JPEG = "1.2.840.10008.1.2.4.51"
"""Transfer syntax of which Pillow decodes 8 bits, and python-gdcm 12."""

SLOW_PIXELS = 2_000_000
"""Compressed frames from this size on are decoded in a process apart, as JPEG-LS and JPEG 2000 always are."""

DICOMDIR = "1.2.840.10008.1.3.10"
"""SOP class of a directory of files."""


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
        file_header: the header as read, and where the pixel data lie.
        held: number of frames in the pixel data, of which the header may say fewer.
    """

    source: str
    count: int
    seconds: float | None
    shape: tuple[int, int]
    regions: tuple[Region, ...]
    spacing: tuple[float, float] | None
    notes: tuple[str, ...]
    file_header: DicomHeader
    held: int

    @property
    def header(self) -> Any:
        """The pydicom Dataset, without pixels."""
        return self.file_header.dataset

    def scan(self, number: int = 1) -> Scan:
        """Decode one frame; see `Frames`."""
        check_frame_number(self.source, number, self.count)
        try:
            self._check_encoded_size(number)
            values = self._decode(number - 1)
        except SalusError:
            raise
        except MemoryError:
            raise SalusError(f"{self.source}: frame {number} does not fit into memory") from None
        except Exception as error:  # pydicom and the decoders raise many kinds; their words may quote the file
            name = str(error) if isinstance(error, DecodingError) else type(error).__name__
            raise SalusError(f"{self.source}: the pixel data of frame {number} are damaged ({name})") from None
        self._check_shape(number, values.shape[:2])
        with _naming(self.source):
            grey = apply_grey_transforms(values, self.header, number - 1)
        frame = number if self.count > 1 else None
        return Scan(grey, self.source, self.spacing, self.regions, frame, self.notes)

    def _decode(self, index: int) -> np.ndarray:
        syntax = self.header.file_meta.TransferSyntaxUID
        is_slow = syntax in (*JPEG_LS, *JPEG_2000) or (syntax.is_encapsulated and prod(self.shape) > SLOW_PIXELS)
        if is_slow:
            return decode_apart(self.source, index)
        return decode_frame(Path(self.source), self.file_header, self.held, index)

    def _check_encoded_size(self, number: int) -> None:
        """Check the size in a compressed frame's own header, before a decoder takes memory and time for it."""
        from pydicom.encaps import get_frame

        if not self.header.file_meta.TransferSyntaxUID.is_encapsulated:
            return
        with open_data_set(Path(self.source)) as file:
            file.seek(self.file_header.pixel_offset)
            stream = get_frame(file, number - 1, number_of_frames=self.held)
        size = read_frame_size(stream)
        if size is not None:
            self._check_shape(number, size)
            if prod(size) * count_scans(stream) > MAX_JPEG_PIXELS:
                raise SalusError(f"{self.source}: frame {number} is a JPEG of too many scans; save it otherwise")

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
    check_file(path)
    header = read_header(path)
    try:
        with _naming(path):
            return _check_header(path, header)
    except SalusError:
        raise
    except Exception as error:  # a tag is parsed when it is read, and pydicom raises many kinds
        raise SalusError(f"{path}: its DICOM header is damaged ({type(error).__name__})") from None


@contextmanager
def _naming(path: Path | str) -> Iterator[None]:
    """Put the file before the message of an error that names none."""
    try:
        yield
    except SalusError as error:
        message = str(error)
        raise SalusError(message if message.startswith(f"{path}: ") else f"{path}: {message}") from None


def _check_header(path: Path, header: DicomHeader) -> DicomFrames:
    """Check that a header is that of an image within the limits, and gather what it says of the frames."""
    dataset = header.dataset
    if dataset.file_meta.get("MediaStorageSOPClassUID") == DICOMDIR:
        raise SalusError(f"{path}: is a DICOMDIR, which lists the files of a disc; name the folder, or its files")
    modality = str(dataset.get("Modality", "") or "")
    if modality in MODALITIES_WITHOUT_IMAGE:
        raise SalusError(f"{path}: is a DICOM object of kind {modality}, no image")
    rows, columns = (_integer(dataset, name, 0) for name in ("Rows", "Columns"))
    if header.pixel_bytes is None or not rows or not columns:
        raise SalusError(f"{path}: is a DICOM object without an image")
    check_size(path, rows, columns, _integer(dataset, "NumberOfFrames", 1))
    check_pixel_description(path, dataset)
    _check_decoder(path, dataset)
    frames, held, frame_notes = _count_frames(path, header, rows, columns)
    check_size(path, rows, columns, frames)
    regions, notes = read_regions(dataset, rows, columns)
    if modality not in ("US", "IVUS", ""):
        notes = (f"not an ultrasound image: its modality is {modality[:16]}", *notes)
    notes = (*notes, *frame_notes, *describe_ignored_fields(dataset))
    pixel_spacing, spacing_notes = (None, ()) if regions else read_pixel_spacing(dataset)
    notes = (*notes, *spacing_notes)
    spacings = {region.spacing for region in regions} or {pixel_spacing}
    return DicomFrames(
        source=str(path),
        count=frames,
        seconds=_frame_seconds(dataset) if frames > 1 else None,
        shape=(rows, columns),
        regions=regions,
        spacing=spacings.pop() if len(spacings) == 1 else None,
        notes=notes,
        file_header=header,
        held=held,
    )


def _count_frames(path: Path, header: DicomHeader, rows: int, columns: int) -> tuple[int, int, tuple[str, ...]]:
    """Count the frames to read, and those that the pixel data hold; and make a note where the header has other ones.

    Where the header does not say how many there are, those of the pixel data are read.
    """
    dataset = header.dataset
    stated = dataset.get("NumberOfFrames") not in (None, "")
    frames = _integer(dataset, "NumberOfFrames", 1)
    note = "the header does not say how many frames there are: {} were found"
    more = "the pixel data hold {} frames and the header says {}: the others were left out"
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        with open_data_set(path) as file:
            fragments = read_fragments(file, header.pixel_offset, header.size)
        held = fragments.count_frames()
        if stated:
            check_frame_count(fragments, frames)
            held = max(held, frames)  # where the pieces do not tell
            return frames, held, (more.format(held, frames),) if held > frames else ()
        check_frame_count(fragments, 1)
        return held, held, (note.format(held),) if held > 1 else ()
    samples, bits = _integer(dataset, "SamplesPerPixel", 1), _integer(dataset, "BitsAllocated", 8)
    is_subsampled = str(dataset.get("PhotometricInterpretation", "")) == "YBR_FULL_422"
    frame_bytes = rows * columns * (2 if is_subsampled and samples == 3 else samples) * (bits // 8)
    available = header.size - header.pixel_offset
    if header.pixel_bytes is not None and header.pixel_bytes != UNDEFINED_LENGTH:
        available = min(available, header.pixel_bytes)
    if available < frame_bytes * frames:
        raise SalusError(
            f"{path}: its pixel data are cut short ({available:,} of {frame_bytes * frames:,} bytes); copy it again"
        )
    held = available // frame_bytes
    if stated:
        return frames, held, (more.format(held, frames),) if held > frames else ()
    return held, held, (note.format(held),) if held > 1 else ()


def _check_decoder(path: Path, dataset: Any) -> None:
    """Check that a decoder for the file's transfer syntax is installed."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = import_pydicom().pixels.get_decoder(syntax)
    except NotImplementedError:
        raise SalusError(f"{path}: its transfer syntax ({_plain(syntax)}) holds no pixels that Salus reads") from None
    has_wide_jpeg = syntax == EXTENDED_JPEG and _integer(dataset, "BitsStored", 8) > 8
    if not decoder.is_available or (has_wide_jpeg and find_spec("gdcm") is None):
        package = "python-gdcm" if syntax in (*LOSSLESS_JPEG, EXTENDED_JPEG) else "'salus[dicom]'"
        raise SalusError(f"{path}: no decoder for {_plain(syntax.name)} is installed; pip install {package}")


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
