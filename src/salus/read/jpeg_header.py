"""The size that a compressed frame says of itself, from its own head, without decoding it."""

from __future__ import annotations

JPEG, JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
NO_FRAME = (0xC4, 0xC8, 0xCC)
JPEG_LS = 0xF7


def frame_size(stream: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG, JPEG-LS (ITU T.81, T.87: SOF) or JPEG 2000 (T.800: SIZ) stream; None for others.

    Example:
        >>> from io import BytesIO
        >>> from PIL import Image
        >>> made = BytesIO()
        >>> Image.new("L", (60, 40)).save(made, "JPEG")
        >>> frame_size(made.getvalue()), frame_size(b"run lengths")
        ((40, 60), None)
    """
    at = stream.find(JPEG_2000, 0, 4096)
    if at >= 0:
        x1, y1, x0, y0 = (int.from_bytes(stream[at + 8 + 4 * i : at + 12 + 4 * i], "big") for i in range(4))
        return max(y1 - y0, 0), max(x1 - x0, 0)
    if stream[:2] != JPEG:
        return None
    at = 2
    while at + 9 <= len(stream):
        if stream[at] != 0xFF:
            at += 1
            continue
        marker = stream[at + 1]
        if (0xC0 <= marker <= 0xCF and marker not in NO_FRAME) or marker == JPEG_LS:
            return int.from_bytes(stream[at + 5 : at + 7], "big"), int.from_bytes(stream[at + 7 : at + 9], "big")
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:  # filling, or a marker without a segment
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None
