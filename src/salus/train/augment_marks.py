"""What is written over an image, wherever: a network that sees marks everywhere learns nothing from them.

Marks in the wild sit at tumours. These are placed without a look at the mask, on images with and without a tumour.
"""

from __future__ import annotations

import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw_random_marks(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Write one to four marks over a copy of an image (h, w) uint8."""
    canvas = Image.fromarray(np.ascontiguousarray(image))
    pen, unit = ImageDraw.Draw(canvas), max(1.0, image.shape[0] / 128)
    kinds = rng.choice(len(MARKS), size=int(rng.integers(1, 5)), p=SHARES)
    for kind in kinds:
        MARKS[kind](canvas, pen, rng, unit, int(rng.integers(140, 256)))
    return np.asarray(canvas).copy()


def _calipers(canvas: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float, grey: int) -> None:
    """One or two pairs of crosses, + or x, with dots between or none."""
    width, height = canvas.size
    centre = rng.uniform(0.15, 0.85, 2) * (width, height)
    turn, diagonal, dotted = rng.uniform(0, np.pi), rng.random() < 0.4, rng.random() < 0.6
    arm = rng.uniform(1.5, 3.5) * unit
    for pair in range(int(rng.integers(1, 3))):
        length = rng.uniform(0.06, 0.3) * width
        step = np.array([np.cos(turn + pair * np.pi / 2), np.sin(turn + pair * np.pi / 2)])
        ends = centre - step * length, centre + step * length
        for x, y in ends:
            strokes = ((1, 1), (1, -1)) if diagonal else ((1, 0), (0, 1))
            for a, b in strokes:
                pen.line([(x - a * arm, y - b * arm), (x + a * arm, y + b * arm)], fill=grey, width=round(unit))
        if dotted:
            for share in np.arange(0, 1, 3.0 * unit / max(2 * length, 1)):
                pen.point(tuple(ends[0] + share * (ends[1] - ends[0])), fill=grey)


def _text(canvas: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float, grey: int) -> None:
    """One to three lines of letters and figures, mostly near an edge."""
    letters = list(string.ascii_letters + string.digits + "  .:+-")
    lines = ["".join(rng.choice(letters, int(rng.integers(2, 18)))) for _ in range(int(rng.integers(1, 4)))]
    font = ImageFont.load_default()
    left, top, right, bottom = pen.multiline_textbbox((0, 0), "\n".join(lines), font=font)
    patch = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)))
    ImageDraw.Draw(patch).multiline_text((1 - left, 1 - top), "\n".join(lines), fill=grey, font=font)
    scale = rng.uniform(0.3, 0.8) * unit
    patch = patch.resize((max(2, int(patch.width * scale)), max(2, int(patch.height * scale))), Image.Resampling.BOX)
    width, height = canvas.size
    x = int(rng.uniform(0, max(1, width - patch.width)))
    y = int(rng.beta(0.4, 0.4) * max(1, height - patch.height))
    canvas.paste(grey, (x, y), patch.point(lambda v: min(255, int(v * 1.6))))


def _ticks(canvas: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float, grey: int) -> None:
    """A scale of depth along a side."""
    width, height = canvas.size
    side = width - 1 if rng.random() < 0.6 else 0
    inward = -1 if side else 1
    for number, y in enumerate(np.arange(0, height, rng.uniform(4, 14) * unit)):
        pen.line([(side, y), (side + inward * unit * (3 if number % 5 == 0 else 1.5), y)], fill=grey)


def _bar(canvas: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float, grey: int) -> None:
    """The bar of grey levels that scanners show beside the field."""
    width, height = canvas.size
    x, y = (rng.uniform(0, 0.1) if rng.random() < 0.5 else rng.uniform(0.9, 0.97)) * width, rng.uniform(0, 0.6) * height
    long = int(rng.uniform(0.15, 0.4) * height)
    ramp = np.repeat(np.linspace(grey, 0, long).astype(np.uint8)[:, None], max(1, round(2 * unit)), axis=1)
    canvas.paste(Image.fromarray(ramp), (int(x), int(y)))


def _icon(canvas: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float, grey: int) -> None:
    """A body mark: a circle with a stroke for the probe; or an arrow."""
    width, height = canvas.size
    x, y, r = rng.uniform(0.05, 0.95) * width, rng.uniform(0.05, 0.95) * height, rng.uniform(3, 8) * unit
    if rng.random() < 0.5:
        pen.ellipse([(x - r, y - r), (x + r, y + r)], outline=grey)
        pen.line([(x, y), tuple(np.array((x, y)) + rng.uniform(-r, r, 2))], fill=grey, width=round(unit))
        return
    tip = np.array((x, y)) + rng.uniform(-2 * r, 2 * r, 2)
    pen.line([(x, y), tuple(tip)], fill=grey, width=round(unit))
    pen.ellipse([tuple(tip - 1.2 * unit), tuple(tip + 1.2 * unit)], fill=grey)


MARKS = (_calipers, _text, _ticks, _bar, _icon)
SHARES = (0.45, 0.3, 0.1, 0.05, 0.1)
"""How often each is drawn."""
