"""Recognise a file's format by its first bytes, whatever its name is; by its suffix only where they say nothing."""

from __future__ import annotations

import zlib
from pathlib import Path, PurePath

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
NRRD_SUFFIXES = (".nrrd", ".nhdr")
CLINICAL_SUFFIXES = (*DICOM_SUFFIXES, *NIFTI_SUFFIXES, *NRRD_SUFFIXES)
IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".j2k", ".jpf", ".jpx", ".jpc",
)  # fmt: skip
"""Suffixes of pictures that Pillow reads."""

DICOM, NIFTI, NRRD, IMAGE = "dicom", "nifti", "nrrd", "image"

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF."""

PICTURE_STARTS = {
    b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", **dict.fromkeys(TIFF_STARTS, ".tif"), b"BM": ".bmp",
    b"GIF87a": ".gif", b"GIF89a": ".gif", b"\0\0\0\x0cjP  \r\n\x87\n": ".jp2", b"\xff\x4f\xff\x51\0": ".j2k",
}  # fmt: skip
"""First bytes of PNG, JPEG, TIFF, BigTIFF, BMP, GIF and JPEG 2000 (in a file, and bare), and their usual suffixes."""

FORMAT_NAMES = "PNG, JPEG, TIFF, BMP, GIF, WebP, JPEG 2000, DICOM, NIfTI or NRRD"
"""The formats that Salus reads, for messages."""

GZIP = b"\x1f\x8b"
"""First bytes of a file that gzip packed."""

SEVERAL_FRAMES_STARTS = (b"\x89PNG", b"II", b"MM", b"GIF8", b"RIFF")
"""First bytes of the pictures that may have several pages or frames."""

HEAD = 1024
"""Bytes of a file that are looked at."""

TYPES = frozenset((
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT", "OB", "OD", "OF", "OL", "OW", "PN", "SH",
    "SL", "SQ", "SS", "ST", "TM", "UC", "UI", "UL", "UN", "UR", "US", "UT",
))  # fmt: skip
"""Value representations of DICOM (PS3.5 6.2)."""

DICOMDIR = "1.2.840.10008.1.3.10"
"""SOP class of the directory of a disc."""

NO_PICTURE = tuple(
    f"1.2.840.10008.5.1.4.1.1.{number}"
    for number in ("88.", "11.", "66", "67", "68.", "104.", "9.", "481.2", "481.3", "481.4", "481.5", "481.8")
)
"""Starts of the SOP classes of reports, presentation states, segmentations, documents, waveforms and plans."""


def recognise(path: Path) -> str | None:
    """Recognise the format of a file by its content.

    Returns:
        `DICOM`, `NIFTI`, `NRRD` or `IMAGE`; None for other files, and for what is no file or cannot be read.
    """
    return recognise_head(read_head(path))


def suffix_of_head(head: bytes) -> str | None:
    """Return the usual suffix of a file that begins so, for what comes without a name; None where no format is known.

    Args:
        head: its first `HEAD` bytes.

    Example:
        >>> [suffix_of_head(head) for head in (bytes(128) + b"DICM", b"GIF89a", b"RIFF\\x24\\0\\0\\0WEBP", b"MZ")]
        ['.dcm', '.gif', '.webp', None]
    """
    file_format = recognise_head(head)
    if file_format == IMAGE:
        return next((suffix for start, suffix in PICTURE_STARTS.items() if head.startswith(start)), ".webp")
    nifti = ".nii.gz" if head.startswith(GZIP) else ".nii"
    return None if file_format is None else {DICOM: ".dcm", NIFTI: nifti, NRRD: ".nrrd"}[file_format]


def read_head(path: Path) -> bytes:
    """Read the first bytes of a file; none of what is no file, such as a pipe, or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def detect_format(path: Path | str) -> str:
    """Detect a file's format by its first bytes; where they say nothing, or there is no file, by its suffix.

    Returns:
        "dicom", "nifti", "nrrd" or "image".

    Example:
        >>> detect_format("a/scan.dcm"), detect_format("volume.nii.gz"), detect_format("scan.png")
        ('dicom', 'nifti', 'image')
    """
    return recognise(Path(path)) or format_by_suffix(Path(path)) or IMAGE


def format_by_suffix(path: PurePath) -> str | None:
    """Return the format that a file's suffix stands for; None for others."""
    name = path.name.lower()
    for file_format, suffixes in (
        (DICOM, DICOM_SUFFIXES), (NIFTI, NIFTI_SUFFIXES), (NRRD, NRRD_SUFFIXES), (IMAGE, IMAGE_SUFFIXES)
    ):  # fmt: skip
        if name.endswith(suffixes):
            return file_format
    return None


def may_hold_frames(path: Path) -> bool:
    """Tell from a file's first bytes whether its format allows several frames or pages."""
    head = read_head(path)
    return recognise_head(head) != IMAGE or head.startswith(SEVERAL_FRAMES_STARTS)


def strip_suffix(path: Path) -> str:
    """Return a file's name without the suffix of a format that Salus reads; the digits of a UID are no suffix.

    Example:
        >>> [strip_suffix(Path(name)) for name in ("scan.png", "a.nii.gz", "1.2.840.1", "notes.v2.dcm")]
        ['scan', 'a', '1.2.840.1', 'notes.v2']
    """
    for suffix in (".nii.gz", *CLINICAL_SUFFIXES, *IMAGE_SUFFIXES):
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[: -len(suffix)]
    return path.name


def sop_class(head: bytes) -> str | None:
    """Read the SOP class from the meta information of a DICOM file's first bytes; None without one."""
    at = head.find(b"\x02\x00\x02\x00UI", 132)
    if head[128:132] != b"DICM" or at < 0:
        return None
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return head[at + 8 : at + 8 + length].rstrip(b"\0 ").decode("ascii", "replace")


def recognise_head(head: bytes) -> str | None:
    """Recognise the format of a file by its first `HEAD` bytes; see `recognise`."""
    if head[128:132] == b"DICM" or _is_bare_dicom(head):
        return DICOM
    if head.startswith(b"NRRD000"):
        return NRRD
    if _is_nifti(head) or (head.startswith(GZIP) and _is_nifti(_unzip(head))):
        return NIFTI
    if head.startswith(tuple(PICTURE_STARTS)) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return IMAGE
    return None


def _is_nifti(head: bytes) -> bool:
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"


def _unzip(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD)
    except zlib.error:
        return b""


def _is_bare_dicom(head: bytes) -> bool:
    """Tell whether a file starts with a data set's first attributes, of group 0008 (or 0002), without a preamble."""
    if head[:2] in (b"\x08\0", b"\x02\0", b"\0\x08"):
        if head[4:6].decode("latin-1") in TYPES:
            return True
        length = int.from_bytes(head[4:8], "little")
        following = 8 + length
        return (
            head[:2] == b"\x08\0"
            and head[3] == 0
            and length % 2 == 0
            and following + 4 <= len(head)
            and head[following : following + 2] == b"\x08\0"
            and head[following + 3] == 0
            and head[following + 2] > head[2]
        )
    return False
