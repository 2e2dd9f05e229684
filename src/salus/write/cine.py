"""Pictures of a cine: a strip of frames, a chart of each lesion's area over time, and a moving overlay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from salus.atomic import write_whole

STRIP = 8
"""Pictures in a strip, at most, evenly spaced over the cine; first and last among them."""

TILE = 200
"""Height of a strip's pictures, pixels."""

MOVING = 480
"""Longest side of a moving overlay, pixels."""

STEP = 0.1
"""Seconds a frame is shown where the cine does not say."""

COLOURS = ("#d08700", "#2f6fb0", "#b0413e", "#3f8f5f", "#7a5ea8")
"""Of the lesions in a chart, by number."""


def write_strip(path: Path, overlays: Sequence[Path], numbers: Sequence[int]) -> None:
    """A row of overlays with their frame numbers, as JPEG.

    Args:
        path: where to.
        overlays: of every frame, in order.
        numbers: of the frames.

    Raises:
        OSError: it cannot be written, or an overlay cannot be read.
    """
    count = min(STRIP, len(overlays))
    chosen = [round(i * (len(overlays) - 1) / max(count - 1, 1)) for i in range(count)]
    pictures = [_open(overlays[i], 2 * TILE) for i in chosen]
    pictures = [one.resize((max(1, round(one.width * TILE / one.height)), TILE)) for one in pictures]
    strip = Image.new("RGB", (sum(one.width + 4 for one in pictures), TILE + 20), (24, 24, 24))
    draw, font, x = ImageDraw.Draw(strip), ImageFont.load_default(12), 0
    for index, one in zip(chosen, pictures, strict=True):
        strip.paste(one, (x + 2, 0))
        draw.text((x + 6, TILE + 3), f"frame {numbers[index]}", (225, 225, 225), font)
        x += one.width + 4
    write_whole(path, lambda temporary: strip.save(temporary, "JPEG", quality=88))


def write_moving(path: Path, overlays: Sequence[Path], seconds: float | None) -> None:
    """The overlays one after another, as an animated GIF that repeats; one frame is in memory at a time.

    Args:
        path: where to.
        overlays: of every frame, in order.
        seconds: from one frame to the next; None shows each for `STEP`. GIF counts in hundredths, from 0.02 on.

    Raises:
        OSError: it cannot be written, or an overlay cannot be read.
    """

    def small() -> Iterator[Image.Image]:
        for place in overlays:
            one = _open(place, MOVING)
            one.thumbnail((MOVING, MOVING))
            yield one.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)

    frames = small()
    first = next(frames)
    duration = max(20, round(1000 * (seconds or STEP) / 10) * 10)
    write_whole(
        path,
        lambda temporary: first.save(
            temporary, "GIF", save_all=True, append_images=frames, duration=duration, loop=0, optimize=False
        ),
    )


def write_chart(path: Path, areas: dict[int, list[tuple[float, float]]], axis: str, unit: str) -> None:
    """A chart of area over time as SVG: a line and dots a lesion.

    Args:
        path: where to.
        areas: by a lesion's number, (time, area) of each frame it was found in.
        axis: what time is: "seconds" or "frame".
        unit: of areas: "mm2" or "px".

    Raises:
        OSError: it cannot be written.
    """
    text = chart(areas, axis, unit)
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def chart(areas: dict[int, list[tuple[float, float]]], axis: str, unit: str) -> str:
    """The chart of `write_chart` as SVG text.

    Example:
        >>> chart({1: [(0.0, 20.0), (0.1, 22.0)]}, "seconds", "mm2").startswith("<svg")
        True
    """
    width, height, left, bottom, top, right = 640, 280, 64, 44, 24, 90
    points = [point for line in areas.values() for point in line] or [(0.0, 0.0)]
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_ticks = list(_ticks(0.0, max(y for _, y in points) or 1.0))
    x_ticks = list(_ticks(x_low, x_high if x_high > x_low else x_low + 1))
    x_high, y_high = max(x_high, x_low + 1e-9), y_ticks[-1]

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low) if x_high - x_low > 1e-6 else 0.5
        return left + across * (width - left - right), height - bottom - y / y_high * (height - bottom - top)

    shown = "mm²" if unit == "mm2" else unit
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>Area of each lesion over time, {escape(shown)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for y in y_ticks:
        _, py = at(x_low, y)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{py:.1f}" y2="{py:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{left - 8}" y="{py + 4:.1f}" text-anchor="end" fill="#444444">{y:g}</text>')
    for x in x_ticks:
        if x_low <= x <= x_high:
            px, _ = at(x, 0)
            parts.append(f'<text x="{px:.1f}" y="{height - 26}" text-anchor="middle" fill="#444444">{x:g}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">{escape(axis)}</text>')
    parts.append(f'<text x="{left}" y="14" fill="#222222">area, {escape(shown)}</text>')
    for number, line in sorted(areas.items()):
        colour = COLOURS[(number - 1) % len(COLOURS)]
        places = [at(x, y) for x, y in line]
        text = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2" fill="{colour}"/>' for px, py in places]
        px, py = places[-1]
        parts.append(f'<text x="{px + 8:.1f}" y="{py + 4:.1f}" fill="{colour}">lesion {number}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ticks(low: float, high: float) -> Iterable[float]:
    """Round numbers from at most `low` to at least `high`."""
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    return [round(step * i, 9) for i in range(floor(low / step), ceil(high / step - 1e-9) + 1)]


def _open(path: Path, side: int) -> Image.Image:
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            image.draft("RGB", (side, side))
            return image.convert("RGB")
    except OSError as error:
        raise OSError(error.errno or 5, error.strerror or "damaged overlay", str(path)) from None
