"""Count the pieces of encapsulated (compressed) pixel data (PS3.5 A.4), without decoding any."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from salus.errors import SalusError

ITEM = b"\xfe\xff\x00\xe0"
"""Tag of a piece, (FFFE,E000)."""

FRAME_STARTS = (b"\xff\xd8", b"\xff\x4f")
"""First bytes of a JPEG or JPEG-LS and of a JPEG 2000 stream."""

RUN_LENGTH_START = re.compile(rb"[\x01-\x0f]\0\0\0\x40\0\0\0")
"""First bytes of a run-length frame: the number of its segments, and where the first one lies (PS3.5 G.5)."""

MAX_FRAGMENTS = 200_000
"""Largest number of pieces; a frame has one, rarely several."""


@dataclass(frozen=True)
class Fragments:
    """The pieces of pixel data.

    Attributes:
        count: number of pieces, without the offset table.
        offsets: number of entries of the basic offset table.
        starts: number of pieces that start as a frame of JPEG, JPEG-LS, JPEG 2000 or run lengths does.
    """

    count: int
    offsets: int
    starts: int

    def count_frames(self) -> int:
        """Count the frames by what the pixel data hold, whatever the header says."""
        if 1 < self.offsets <= self.count:
            return self.offsets
        return max(self.starts, 1)


def read_fragments(file: BinaryIO, start: int, size: int) -> Fragments:
    """Count the pieces from their headers.

    Args:
        file: the DICOM file.
        start: offset of the first item.
        size: of the file; a piece that ends beyond it is not counted.

    Raises:
        SalusError: there are too many; the message names no file.
    """
    count, offsets, starts, at = -1, 0, 0, start  # -1: the first item is the offset table
    while True:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != ITEM or at + 8 + length > size:
            break
        if count < 0:
            offsets = length // 4
        else:
            starts += head[8:10] in FRAME_STARTS or RUN_LENGTH_START.match(head, 8) is not None
        count, at = count + 1, at + 8 + length
        if count > MAX_FRAGMENTS:
            raise SalusError(f"its pixel data are in more than {MAX_FRAGMENTS:,} pieces")
    return Fragments(max(count, 0), offsets, starts)


def check_frame_count(fragments: Fragments, frames: int) -> None:
    """Check that there is at least one piece for each frame.

    Raises:
        SalusError: there are fewer; the message names no file.
    """
    if fragments.count < frames:
        what = "frame" if frames == 1 else "frames"
        raise SalusError(f"states {frames:,} {what} and holds {fragments.count:,}; it is cut short, copy it again")
