"""Draw over a phantom what a scanner and a sonographer do: calipers, text, depth ticks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw_marks(
    image: np.ndarray, mask: np.ndarray, spacing: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Draw marks on a copy of an image: always a line of text, calipers at a tumour, sometimes depth ticks.

    Args:
        image: (height, width) uint8; it is not changed.
        mask: (height, width) bool, the tumour that the calipers measure.
        spacing: (row, column) size of a pixel, mm.
        rng: random generator.

    Returns:
        (height, width) uint8; the font is Pillow's default.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.annotations import draw_marks
        >>> image, mask = np.zeros((120, 160), np.uint8), np.zeros((120, 160), bool)
        >>> marked = draw_marks(image, mask, (0.2, 0.2), np.random.default_rng(0))
        >>> marked.shape, bool((marked > image).any()), int(image.max())
        ((120, 160), True, 0)
    """
    height, width = image.shape
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default()
    white = int(rng.integers(190, 256))
    words = [f"Salus phantom {height * spacing[0] / 10.0:.0f} cm"]
    if mask.any():
        for number, (start, stop) in enumerate(_diameters(mask), 1):
            length = np.hypot((stop[0] - start[0]) * spacing[0], (stop[1] - start[1]) * spacing[1])
            words.append(f"{number} D {length:.1f} mm")
            _caliper(pen, start, stop, white, cross="+x"[(number - 1) * int(rng.integers(0, 2))])
    layout = rng.integers(0, 3)
    if layout == 0:  # the first words go to the upper corner
        pen.text((4, 3), words[0], fill=white, font=font)
        words = words[1:]
    line = "   ".join(words) if layout == 1 else "\n".join(words)
    left, top, right, bottom = pen.multiline_textbbox((0, 0), line, font=font)
    start_x = float(rng.uniform(2, max(3.0, width - (right - left) - 16)))
    pen.multiline_text((start_x, height - (bottom - top) - 8), line, fill=white, font=font)
    if rng.random() < 0.6:
        for tick, row in enumerate(np.arange(0.0, height, 5.0 / spacing[0])):
            size = 6 if tick % 2 == 0 else 3
            pen.line([(width - 2 - size, row), (width - 2, row)], fill=white)
            if tick and tick % 2 == 0:
                pen.text((width - 18, row - 6), str(tick // 2), fill=white, font=font)
    return np.asarray(canvas).copy()


def _diameters(mask: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Find the ends, (row, column), of a region's longest axis and of the axis across it."""
    points = np.argwhere(mask).astype(float)
    centred = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    ends = []
    for axis in (axes[:, 1], axes[:, 0]):
        along = centred @ axis
        ends.append((points[int(along.argmin())], points[int(along.argmax())]))
    return ends


def _caliper(pen: ImageDraw.ImageDraw, start: np.ndarray, stop: np.ndarray, grey: int, *, cross: str) -> None:
    """Draw a cross at either end and dots between."""
    for row, column in (start, stop):
        if cross == "+":
            pen.line([(column - 4, row), (column + 4, row)], fill=grey)
            pen.line([(column, row - 4), (column, row + 4)], fill=grey)
        else:
            pen.line([(column - 3, row - 3), (column + 3, row + 3)], fill=grey)
            pen.line([(column - 3, row + 3), (column + 3, row - 3)], fill=grey)
    for share in np.arange(0.0, 1.0, 5.0 / max(5.0, float(np.hypot(*(stop - start))))):
        row, column = start + share * (stop - start)
        pen.point((column, row), fill=grey)
