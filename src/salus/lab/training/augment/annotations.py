"""Draw calipers, text and other marks at random places, so that a network learns nothing from them.

The marks in clinical images are at tumours. These are placed regardless of the mask, on images with and without a
tumour. They are drawn at twice the size and shrunk, so that they are as soft as those of a shrunk image.
(`salus.data.phantom.annotations` draws what a sonographer would measure, at a scanner's own size.)
"""

from __future__ import annotations

import string
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FINE = 2
"""Factor by which marks are drawn larger and then shrunk."""

LETTERS = np.array(list(string.ascii_letters + string.ascii_uppercase + 2 * string.digits + "   .:+-"))


def draw_random_marks(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one to four marks over a copy of an image (h, w) uint8."""
    canvas = Image.fromarray(np.ascontiguousarray(image)).copy()
    unit = FINE * max(1.0, image.shape[0] / 128)
    for kind in rng.choice(len(MARKS), size=int(rng.integers(1, 5)), p=SHARES):
        ink = Image.new("L", (FINE * canvas.width, FINE * canvas.height))
        MARKS[kind](ink, ImageDraw.Draw(ink), rng, unit)
        grey, outlined = int(rng.integers(120, 256)), rng.random() < 0.2
        box = ink.getbbox()
        if box is None:
            continue
        left, top, right, bottom = (box[0] // FINE - 1, box[1] // FINE - 1, box[2] // FINE + 2, box[3] // FINE + 2)
        cover = ink.crop((FINE * left, FINE * top, FINE * right, FINE * bottom)).reduce(FINE)
        if outlined:  # some scanners edge their marks in black
            canvas.paste(0, (left, top), cover.filter(ImageFilter.BoxBlur(1)))
        canvas.paste(grey, (left, top), cover)
    return np.asarray(canvas).copy()


def _calipers(ink: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float) -> None:
    """Draw one or two pairs of crosses, + or x, with dots between or none."""
    centre = rng.uniform(0.05, 0.95, 2) * ink.size
    turn, diagonal, dotted = rng.uniform(0, np.pi), rng.random() < 0.4, rng.random() < 0.6
    arm, thick = rng.uniform(1.2, 3.2) * unit, int(rng.integers(1, round(unit) + 1))
    strokes = ((1, 1), (1, -1)) if diagonal else ((1, 0), (0, 1))
    for pair in range(int(rng.integers(1, 3))):
        length = rng.uniform(0.05, 0.25) * ink.width
        step = np.array([np.cos(turn + pair * np.pi / 2), np.sin(turn + pair * np.pi / 2)])
        ends = centre - step * length, centre + step * length
        for x, y in ends:
            for a, b in strokes:
                pen.line([(x - a * arm, y - b * arm), (x + a * arm, y + b * arm)], fill=255, width=thick)
        if dotted:
            dots = np.linspace(ends[0], ends[1], max(2, int(2 * length / (3 * unit))))
            pen.point([(float(x) + d, float(y)) for x, y in dots for d in range(thick)], fill=255)


def _words(rng: np.random.Generator, longest: int) -> str:
    return "".join(rng.choice(LETTERS, int(rng.integers(2, longest))))


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _text(ink: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float) -> None:
    """Write one to three lines of letters and figures, mostly near an edge."""
    lines = "\n".join(_words(rng, 18) for _ in range(int(rng.integers(1, 4))))
    font = _font(round(rng.uniform(4, 9) * unit))
    left, top, right, bottom = pen.multiline_textbbox((0, 0), lines, font=font, spacing=unit)
    x = rng.uniform(0, max(1, ink.width - (right - left)))
    y = rng.beta(0.4, 0.4) * max(1, ink.height - (bottom - top))
    pen.multiline_text((x - left, y - top), lines, fill=255, font=font, spacing=unit)


def _header(ink: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float) -> None:
    """Write a line of words along the top or the bottom: names, dates, settings."""
    font, x = _font(round(rng.uniform(4, 7) * unit)), rng.uniform(0, 0.1) * ink.width
    y = float(rng.uniform(0, 2) * unit) if rng.random() < 0.6 else ink.height - float(rng.uniform(7, 9) * unit)
    while x < ink.width:
        word = _words(rng, 10)
        pen.text((x, y), word, fill=255, font=font)
        x += float(font.getlength(word)) + rng.uniform(2, 0.25 * ink.width)


def _ticks(ink: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float) -> None:
    """Draw a scale of depth along a side."""
    side, inward = (ink.width - 1, -1) if rng.random() < 0.6 else (0, 1)
    side += inward * int(rng.uniform(0, 0.06) * ink.width)
    for number, y in enumerate(np.arange(rng.uniform(0, 8) * unit, ink.height, rng.uniform(4, 14) * unit)):
        pen.line([(side, y), (side + inward * unit * (3 if number % 5 == 0 else 1.5), y)], fill=255, width=FINE)


def _bar(ink: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float) -> None:
    """Draw the bar of grey levels that scanners show beside the field."""
    x = (rng.uniform(0, 0.1) if rng.random() < 0.5 else rng.uniform(0.9, 0.97)) * ink.width
    long = int(rng.uniform(0.15, 0.4) * ink.height)
    ramp = np.repeat(np.linspace(255, 0, long).astype(np.uint8)[:, None], round(2 * unit), axis=1)
    ink.paste(Image.fromarray(ramp), (int(x), int(rng.uniform(0, 0.6) * ink.height)))


def _icon(ink: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float) -> None:
    """Draw a body mark: a circle, the nipple, and a stroke for the probe."""
    (x, y), r = rng.uniform(0.05, 0.95, 2) * ink.size, rng.uniform(3, 8) * unit
    pen.ellipse([(x - r, y - r), (x + r, y + r)], outline=255, width=FINE)
    pen.ellipse([(x - unit / 2, y - unit / 2), (x + unit / 2, y + unit / 2)], fill=255)
    from_x, from_y, to_x, to_y = rng.uniform(-r, r, 4)
    pen.line([(x + from_x, y + from_y), (x + to_x, y + to_y)], fill=255, width=round(unit))


def _arrow(ink: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float) -> None:
    """Draw an arrow: a head, with a shaft or none."""
    tip, turn, head = rng.uniform(0, 1, 2) * ink.size, rng.uniform(0, 2 * np.pi), rng.uniform(2, 5) * unit
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    back = tip + along * head
    pen.polygon([tuple(tip), tuple(back + across * head / 2), tuple(back - across * head / 2)], fill=255)
    if rng.random() < 0.7:
        pen.line([tuple(back), tuple(back + along * rng.uniform(1, 3) * head)], fill=255, width=round(unit))


def _logo(ink: Image.Image, pen: ImageDraw.ImageDraw, rng: np.random.Generator, unit: float) -> None:
    """Draw a manufacturer's logo in a corner: a few capitals in a disc or a box, filled or as an outline."""
    word, font = "".join(rng.choice(LETTERS[26:52], int(rng.integers(1, 4)))), _font(round(rng.uniform(5, 10) * unit))
    left, top, right, bottom = pen.textbbox((0, 0), word, font=font)
    wide, high = right - left + 2 * unit, bottom - top + 2 * unit
    room = max(0.0, ink.width - wide - 2 * unit), max(0.0, ink.height - high - 2 * unit)
    x, y = (unit + rng.integers(0, 2) * room[0], unit + rng.integers(0, 2) * room[1])
    filled, shape = rng.random() < 0.5, (pen.ellipse if rng.random() < 0.4 else pen.rectangle)
    shape([(x, y), (x + wide, y + high)], fill=255 if filled else 0, outline=255, width=FINE)
    pen.text((x + unit - left, y + unit - top), word, fill=0 if filled else 255, font=font)


MARKS = (_calipers, _text, _header, _ticks, _bar, _icon, _arrow, _logo)
SHARES = (0.42, 0.2, 0.06, 0.08, 0.05, 0.06, 0.08, 0.05)
"""Probability of each kind of mark."""
