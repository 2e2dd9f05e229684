"""DICOM: ultrasound images and cines, of any transfer syntax for which a decoder is installed; one frame at a time.

stored values -> decoded (colour to RGB) -> modality and VOI transforms (PS3.3 C.11.1, C.11.2) -> grey in [0, 1]

The header is read and checked when a file is opened; a frame is decoded when it is asked for. Errors and notes tell
nothing that stands in the file's text.
"""

from __future__ import annotations

import logging
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from salus.errors import SalusError
from salus.read.dicom_pixels import grey_of
from salus.read.dicom_regions import regions_of
from salus.read.jpeg_header import frame_size
from salus.read.limits import MAX_INFLATED, require_file, require_size
from salus.scan import Region, Scan

NO_IMAGES = ("SR", "SEG", "PR", "KO", "DOC", "RTSTRUCT", "REG", "AU", "ECG", "HD", "PLAN", "FID", "SMR", "M3D")
"""Modalities whose objects hold no picture to look at."""

UNDEFINED = 0xFFFFFFFF
LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")


@dataclass(frozen=True, eq=False)
class DicomFrames:
    """Frames of a DICOM file, as `salus.read.frames.Frames`.

    Attributes:
        source: the file.
        count: of frames.
        seconds: from one frame to the next, None where the file does not say.
        shape: (rows, columns).
        regions: see `salus.read.dicom_regions.regions_of`.
        spacing: (row, column) size of a pixel in mm where all regions agree, None elsewhere.
        notes: what a reader must know.
        header: the pydicom Dataset, without pixels.
        place: byte offset of the pixel data's value; None where the file is deflated.
    """

    source: str
    count: int
    seconds: float | None
    shape: tuple[int, int]
    regions: tuple[Region, ...]
    spacing: tuple[float, float] | None
    notes: tuple[str, ...]
    header: Any
    place: int | None

    def scan(self, number: int = 1) -> Scan:
        """Decode one frame; see `Frames`."""
        if not 1 <= number <= self.count:
            raise SalusError(f"{self.source}: has no frame {number}; it holds {self.count}")
        try:
            self._check_frame(number)
            values = _decoded(self.source, number - 1, self.header)
            grey = grey_of(values, self.header)
        except SalusError:
            raise
        except MemoryError:
            raise SalusError(f"{self.source}: frame {number} does not fit into memory") from None
        except Exception as error:  # pydicom and the decoders raise many kinds; their words may quote the file
            name = type(error).__name__
            raise SalusError(f"{self.source}: the pixel data of frame {number} are damaged ({name})") from None
        if grey.shape != self.shape:
            raise SalusError(f"{self.source}: frame {number} is of another size than the file says; it is damaged")
        frame = number if self.count > 1 else None
        return Scan(grey, self.source, self.spacing, self.regions, frame, self.notes)

    def _check_frame(self, number: int) -> None:
        """A compressed frame says its size itself; it must be the file's, before a decoder takes memory for it."""
        from pydicom.encaps import get_frame

        if self.place is None or not self.header.file_meta.TransferSyntaxUID.is_encapsulated:
            return
        with Path(self.source).open("rb") as file:
            file.seek(self.place)
            stream = get_frame(file, number - 1, number_of_frames=self.count)
        size = frame_size(stream)
        if size is not None and size != self.shape:
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
    size = require_file(path)
    header, place, length = _read_header(path)
    try:
        return _checked(path, size, header, place, length)
    except SalusError:
        raise
    except Exception as error:  # a tag is decoded when it is asked for, and pydicom raises many kinds
        raise SalusError(f"{path}: its DICOM header is damaged ({type(error).__name__})") from None


def _checked(path: Path, size: int, header: Any, place: int | None, length: int | None) -> DicomFrames:
    """The frames of a header that makes sense, within the limits."""
    modality = str(header.get("Modality", "") or "")
    if modality in NO_IMAGES:
        raise SalusError(f"{path}: is a DICOM object of kind {modality}, no image")
    rows, columns = (_integer(header, name, 0) for name in ("Rows", "Columns"))
    frames = _integer(header, "NumberOfFrames", 1)
    if length is None or not rows or not columns:
        raise SalusError(f"{path}: is a DICOM object without an image")
    require_size(path, rows, columns, frames)
    samples, bits = _integer(header, "SamplesPerPixel", 1), _integer(header, "BitsAllocated", 8)
    if samples not in (1, 3) or bits not in (8, 16):
        raise SalusError(f"{path}: {samples} values of {bits} bits a pixel are not read; convert it to 8 or 16 bits")
    _require_decoder(path, header)
    if length != UNDEFINED:
        thin = str(header.get("PhotometricInterpretation", "")) in ("YBR_FULL_422", "YBR_PARTIAL_422")
        wanted = rows * columns * (2 if thin and samples == 3 else samples) * (bits // 8) * frames
        there = length if place is None else min(length, size - place)
        if there < wanted:
            raise SalusError(f"{path}: its pixel data are cut short ({there:,} of {wanted:,} bytes); copy it again")
    regions, notes = regions_of(header, rows, columns)
    spacings = {region.spacing for region in regions} or {_pixel_spacing(header)}
    said = () if modality in ("US", "IVUS", "") else (f"not an ultrasound image: its modality is {modality[:16]}",)
    return DicomFrames(
        str(path), frames, _seconds(header, frames), (rows, columns), regions,
        spacings.pop() if len(spacings) == 1 else None, (*said, *notes), header, place,
    )  # fmt: skip


def _read_header(path: Path) -> tuple[Any, int | None, int | None]:
    """The dataset before the pixels; where their value begins (None if deflated); its length (None: no pixels)."""
    pydicom = _pydicom()
    try:
        with path.open("rb") as file:
            if _syntax_of(path) == pydicom.uid.DeflatedExplicitVRLittleEndian:
                _require_inflated_size(path)
                whole = pydicom.dcmread(file)
                return whole, None, len(whole.PixelData) if "PixelData" in whole else None
            header = pydicom.dcmread(file, stop_before_pixels=True, force=True, defer_size=2**20)
            place, head = file.tell(), file.read(12)
            implicit, little = header.original_encoding
            if not hasattr(header, "file_meta"):
                header.file_meta = pydicom.dataset.FileMetaDataset()
            if not header.file_meta.get("TransferSyntaxUID"):
                guess = "ImplicitVRLittleEndian" if implicit else "ExplicitVRLittleEndian"
                header.file_meta.TransferSyntaxUID = getattr(pydicom.uid, guess)
            found = len(header)
    except SalusError:
        raise
    except OSError as error:
        raise SalusError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
    except Exception as error:  # pydicom raises many kinds, RecursionError among them; their words may quote the file
        raise SalusError(f"{path}: cannot be read as DICOM ({type(error).__name__})") from None
    if not found or not any(name in header for name in ("SOPClassUID", "Modality", "Rows")):
        raise SalusError(f"{path}: is no DICOM file")
    if head[:4] != (b"\xe0\x7f\x10\x00" if little else b"\x7f\xe0\x00\x10"):
        return header, None, None
    order: Literal["little", "big"] = "little" if little else "big"
    start = 4 if implicit else 8
    return header, place + start + 4, int.from_bytes(head[start : start + 4], order)


def _decoded(path: str, index: int, header: Any) -> np.ndarray:
    """One frame as stored, colour as RGB."""
    pydicom = _pydicom()
    if header.file_meta.TransferSyntaxUID in _READ_WHOLE or _syntax_of(Path(path)) is None:
        whole = pydicom.dcmread(path, force=True)
        whole.file_meta = header.file_meta
        return np.asarray(pydicom.pixels.pixel_array(whole, index=index))
    return np.asarray(pydicom.pixels.pixel_array(path, index=index))


def _syntax_of(path: Path) -> str | None:
    """The transfer syntax that the file's head tells; None where it has no head, or it says nothing."""
    pydicom = _pydicom()
    with path.open("rb") as file:
        file.seek(128)
        if file.read(4) != b"DICM":
            return None
    return pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")


def _require_inflated_size(path: Path) -> None:
    """A deflated file is read whole; nothing where that fits, without keeping what is inflated."""
    size, unpack = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        file.seek(132)
        head = _pydicom().filereader.read_file_meta_info(path)
        file.seek(132 + 12 + int(head.FileMetaInformationGroupLength))
        while (piece := file.read(2**16)) and not unpack.eof:
            while piece:
                size += len(unpack.decompress(piece, 2**20))
                piece = unpack.unconsumed_tail
                if size > MAX_INFLATED:
                    raise SalusError(f"{path}: unpacks to more than {MAX_INFLATED / 2**20:.0f} MiB; store it otherwise")


def _require_decoder(path: Path, header: Any) -> None:
    pydicom = _pydicom()
    syntax = header.file_meta.TransferSyntaxUID
    try:
        decoder = pydicom.pixels.get_decoder(syntax)
    except NotImplementedError:
        raise SalusError(f"{path}: its transfer syntax ({_plain(syntax)}) holds no pixels that Salus reads") from None
    if not decoder.is_available:
        package = "python-gdcm" if syntax in LOSSLESS_JPEG else "'salus[dicom]'"
        raise SalusError(f"{path}: no decoder for {_plain(syntax.name)} is installed; pip install {package}")


def _pixel_spacing(header: Any) -> tuple[float, float] | None:
    """(row, column) size in mm of an image without regions."""
    try:
        down, across = (float(step) for step in header.get("PixelSpacing"))
    except (TypeError, ValueError):
        return None
    return (down, across) if all(np.isfinite((down, across))) and min(down, across) > 0 else None


def _seconds(header: Any, frames: int) -> float | None:
    """From one frame to the next, by the first tag that tells."""
    if frames == 1:
        return None
    vector = header.get("FrameTimeVector")
    options = [(header.get("FrameTime"), 1e-3), (_mean_step(vector), 1e-3)]
    options += [(_inverse(header.get(name)), 1.0) for name in ("CineRate", "RecommendedDisplayFrameRate")]
    for value, unit in options:
        try:
            seconds = float(value) * unit
        except (TypeError, ValueError):
            continue
        if np.isfinite(seconds) and seconds > 0:
            return seconds
    return None


def _mean_step(vector: Any) -> float | None:
    try:
        steps = [float(step) for step in vector][1:]
    except (TypeError, ValueError):
        return None
    return sum(steps) / len(steps) if steps else None


def _inverse(rate: Any) -> float | None:
    try:
        return 1 / float(rate)
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _integer(header: Any, name: str, default: int) -> int:
    """A tag's number; the default where it is missing or empty, 0 where it is none."""
    value = header.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _plain(text: str) -> str:
    return "".join(c for c in str(text)[:80] if c.isprintable())


def _pydicom() -> Any:
    try:
        import pydicom
        import pydicom.filereader
        import pydicom.pixels
    except ImportError:
        raise SalusError('DICOM files need pydicom; pip install "salus[dicom]"') from None
    return pydicom


_READ_WHOLE = ("1.2.840.10008.1.2.1.99",)

# What pydicom has to say of a file may quote it; what matters, Salus says in its own line.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="pydicom")
