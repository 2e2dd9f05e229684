"""Pictures of a cine: a strip of frames, a chart of each lesion's area over time, and an animated overlay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from salus.atomic import write_picture, write_text, write_whole

STRIP_FRAMES = 8
"""Largest number of frames in a strip, evenly spaced over the cine from the first to the last."""

STRIP_HEIGHT = 200
"""Height of a strip's pictures, pixels."""

ANIMATION_SIDE = 480
"""Longest side of an animation, pixels."""

DEFAULT_INTERVAL = 0.1
"""Seconds from one frame to the next where the cine does not say."""

COLOURS = ("#d08700", "#2f6fb0", "#b0413e", "#3f8f5f", "#7a5ea8")
"""Colours of the lesions in a chart, by number."""


def write_strip(path: Path, overlays: Sequence[Path], numbers: Sequence[int]) -> None:
    """Write a row of overlays with their frame numbers, as JPEG.

    Args:
        path: of the new file.
        overlays: pictures of every frame, in order.
        numbers: of the frames.

    Raises:
        OSError: the strip cannot be written, or an overlay cannot be read.
    """
    count = min(STRIP_FRAMES, len(overlays))
    indices = [round(i * (len(overlays) - 1) / max(count - 1, 1)) for i in range(count)]
    frames = [_open_overlay(overlays[i], 2 * STRIP_HEIGHT) for i in indices]
    widths = [max(1, round(frame.width * STRIP_HEIGHT / frame.height)) for frame in frames]
    frames = [frame.resize((width, STRIP_HEIGHT)) for frame, width in zip(frames, widths, strict=True)]
    strip = Image.new("RGB", (sum(widths) + 4 * len(frames), STRIP_HEIGHT + 20), (24, 24, 24))
    draw, font, x = ImageDraw.Draw(strip), ImageFont.load_default(12), 0
    for index, frame in zip(indices, frames, strict=True):
        strip.paste(frame, (x + 2, 0))
        draw.text((x + 6, STRIP_HEIGHT + 3), f"frame {numbers[index]}", (225, 225, 225), font)
        x += frame.width + 4
    write_picture(path, strip, "JPEG", quality=88)


def write_animation(path: Path, overlays: Sequence[Path], seconds: float | None) -> None:
    """Write the overlays as an animated GIF that repeats; one frame is in memory at a time.

    Args:
        path: of the new file.
        overlays: pictures of every frame, in order.
        seconds: from one frame to the next; None shows each for `DEFAULT_INTERVAL`. GIF counts in hundredths, from
            0.02 on.

    Raises:
        OSError: the animation cannot be written, or an overlay cannot be read.
    """

    def shrink() -> Iterator[Image.Image]:
        for overlay in overlays:
            frame = _open_overlay(overlay, ANIMATION_SIDE)
            frame.thumbnail((ANIMATION_SIDE, ANIMATION_SIDE))
            yield frame.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)

    frames = shrink()
    first = next(frames)
    duration = max(20, round(1000 * (seconds or DEFAULT_INTERVAL) / 10) * 10)
    write_whole(
        path,
        lambda temporary: first.save(
            temporary, "GIF", save_all=True, append_images=frames, duration=duration, loop=0, optimize=False
        ),
    )


def write_chart(path: Path, areas: dict[int, list[tuple[float, float]]], axis: str, unit: str) -> None:
    """Write a chart of area over time as SVG, with a line and dots for each lesion.

    Args:
        path: of the new file.
        areas: by a lesion's number, (time, area) of each frame it was found in.
        axis: unit of time: "seconds" or "frame".
        unit: of areas: "mm2" or "px".

    Raises:
        OSError: the chart cannot be written.
    """
    write_text(path, draw_chart(areas, axis, unit))


def draw_chart(areas: dict[int, list[tuple[float, float]]], axis: str, unit: str) -> str:
    """Draw the chart of `write_chart` as SVG text.

    Example:
        >>> draw_chart({1: [(0.0, 20.0), (0.1, 22.0)]}, "seconds", "mm2").startswith("<svg")
        True
    """
    width, height, left, bottom, top, right = 640, 280, 64, 44, 24, 90
    points = [point for line in areas.values() for point in line] or [(0.0, 0.0)]
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_ticks = list(_ticks(0.0, max(y for _, y in points) or 1.0))
    x_ticks = list(_ticks(x_low, x_high if x_high > x_low else x_low + 1))
    x_high, y_high = max(x_high, x_low + 1e-9), y_ticks[-1]

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low) if x_high - x_low > 1e-6 else 0.5
        return left + across * (width - left - right), height - bottom - y / y_high * (height - bottom - top)

    unit_text = "mm²" if unit == "mm2" else unit
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>Area of each lesion over time, {escape(unit_text)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for y in y_ticks:
        _, py = to_pixels(x_low, y)
        elements.append(f'<line x1="{left}" x2="{width - right}" y1="{py:.1f}" y2="{py:.1f}" stroke="#dddddd"/>')
        elements.append(f'<text x="{left - 8}" y="{py + 4:.1f}" text-anchor="end" fill="#444444">{y:g}</text>')
    for x in x_ticks:
        if x_low <= x <= x_high:
            px, _ = to_pixels(x, 0)
            elements.append(f'<text x="{px:.1f}" y="{height - 26}" text-anchor="middle" fill="#444444">{x:g}</text>')
    middle = (left + width - right) / 2
    elements.append(f'<text x="{middle}" y="{height - 8}" text-anchor="middle">{escape(axis)}</text>')
    elements.append(f'<text x="{left}" y="14" fill="#222222">area, {escape(unit_text)}</text>')
    for number, line in sorted(areas.items()):
        colour = COLOURS[(number - 1) % len(COLOURS)]
        dots = [to_pixels(x, y) for x, y in line]
        text = " ".join(f"{px:.1f},{py:.1f}" for px, py in dots)
        elements.append(f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        elements += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2" fill="{colour}"/>' for px, py in dots]
        px, py = dots[-1]
        elements.append(f'<text x="{px + 8:.1f}" y="{py + 4:.1f}" fill="{colour}">lesion {number}</text>')
    return "\n".join([*elements, "</svg>"]) + "\n"


def _ticks(low: float, high: float) -> Iterable[float]:
    """Choose round numbers from at most `low` to at least `high`."""
    least = (high - low) / 5
    power = 10.0 ** floor(log10(least))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= least)
    return [round(step * i, 9) for i in range(floor(low / step), ceil(high / step - 1e-9) + 1)]


def _open_overlay(path: Path, side: int) -> Image.Image:
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            image.draft("RGB", (side, side))  # decoded at a fraction of its size where it is large
            return image.convert("RGB")
    except OSError as error:
        raise OSError(error.errno or 5, error.strerror or "damaged overlay", str(path)) from None
