"""Read the size of a compressed frame from its own header, without decoding it."""

from __future__ import annotations

JPEG_START, JPEG_2000_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
"""First bytes of a stream: SOI; SOC and SIZ."""

FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15, less DHT, JPG and DAC, which lie between them; and SOF55 of JPEG-LS."""

MARKERS_WITHOUT_SEGMENT = {0x01, *range(0xD0, 0xD9)}
"""TEM, RST0 to RST7 and SOI."""

FILL = 0xFF


def read_frame_size(stream: bytes) -> tuple[int, int] | None:
    """Read (rows, columns) of a JPEG or JPEG-LS (ITU T.81, T.87: SOF) or JPEG 2000 stream (T.800: SIZ).

    Returns:
        None for other streams.

    Example:
        >>> from io import BytesIO
        >>> from PIL import Image
        >>> file = BytesIO()
        >>> Image.new("L", (60, 40)).save(file, "JPEG")
        >>> read_frame_size(file.getvalue()), read_frame_size(b"run lengths")
        ((40, 60), None)
    """
    at = stream.find(JPEG_2000_START, 0, 4096)
    if at >= 0:
        x1, y1, x0, y0 = (int.from_bytes(stream[at + 8 + 4 * i : at + 12 + 4 * i], "big") for i in range(4))
        return max(y1 - y0, 0), max(x1 - x0, 0)
    if stream[:2] != JPEG_START:
        return None
    at = 2
    while at + 9 <= len(stream):
        marker = stream[at + 1]
        if stream[at] != 0xFF or marker == FILL:
            at += 1
        elif marker in FRAME_MARKERS:
            return int.from_bytes(stream[at + 5 : at + 7], "big"), int.from_bytes(stream[at + 7 : at + 9], "big")
        elif marker in MARKERS_WITHOUT_SEGMENT:
            at += 2
        else:
            at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None


def count_scans(stream: bytes) -> int:
    """Count the scans of a JPEG stream, 1 or more; a progressive one is decoded whole for each.

    Example:
        >>> count_scans(b"no JPEG")
        1
    """
    return max(stream.count(b"\xff\xda"), 1) if stream[:2] == JPEG_START else 1
