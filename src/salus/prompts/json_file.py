"""Prompts in JSON: Salus's own form, or a file of LabelMe.

    {"scan.png": {"points": [[213, 140]], "not_points": [[20, 30]], "box": [180, 100, 250, 190],
                  "scribble": [[200, 130], [210, 150]], "map": "gaze.png", "frame": 3}, ...}

or a list of such with a key "image" each, or a single one. Of LabelMe, points, rectangles and lines are read; a point
with one of the labels `OUTSIDE` is outside the lesion, every other is inside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salus.errors import SalusError
from salus.prompts.prompt import NO_PROMPT, ImagePrompt, Prompt, make_prompt

KEYS = ("points", "not_points", "box", "scribble", "map")
OUTSIDE = ("0", "outside", "background", "negative", "not")
MAX_BYTES = 64 * 2**20
"""Largest file that is read; LabelMe's may hold the image itself."""


def read_json(path: Path) -> list[ImagePrompt]:
    """Read prompts in JSON; see the head of this file.

    Raises:
        SalusError: the file is missing or damaged, or holds something else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SalusError(f"{path}: has more than {MAX_BYTES // 2**20} MiB; prompts take a few bytes each")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SalusError(f"{path}: cannot be read as JSON ({' '.join(str(error).split())[:120]})") from None
    if isinstance(content, dict) and isinstance(content.get("shapes"), list):
        return [ImagePrompt(_labelme_image(path, content), read_labelme(content, str(path)))]
    if isinstance(content, dict) and not set(content).intersection(("image", "frame", *KEYS)):
        entries = [
            (image, prompt)
            for image, prompts in content.items()
            for prompt in (prompts if isinstance(prompts, list) else [prompts])
        ]
    else:
        entries = [(None, prompt) for prompt in (content if isinstance(content, list) else [content])]
    return [_read_entry(path, image, entry) for image, entry in entries]


def read_prompt(content: Any, source: str, folder: Path | None = None) -> Prompt:
    """Read one prompt in Salus's own form.

    Args:
        content: a mapping with any of `KEYS`, decoded from JSON.
        source: its name in errors.
        folder: that a map's file is named from; None refuses maps.

    Raises:
        SalusError: another key or value, or nothing.

    Example:
        >>> read_prompt({"points": [[213, 140]], "box": [180, 100, 250, 190]}, "the request").points
        ((213.0, 140.0),)
    """
    if not isinstance(content, Mapping):
        raise SalusError(f'{source}: holds no prompt; give {{"points": [[x, y], ...], "box": [x0, y0, x1, y1]}}')
    keys = KEYS if folder is not None else KEYS[:-1]
    if unknown := next((name for name in content if name not in keys), None):
        raise SalusError(f"{source}: has the key {unknown!r}; a prompt may have {', '.join(keys)}")
    heat_map = content.get("map")
    for name, value in content.items():
        if not isinstance(value, str if name == "map" else list):
            raise SalusError(f"{source}: {name} is {str(value)[:60]}; give {_form(name)}")
    try:
        prompt = make_prompt(
            content.get("points", ()),
            content.get("not_points", ()),
            content.get("box"),
            content.get("scribble"),
            folder / heat_map.replace("\\", "/") if folder is not None and heat_map else None,
        )
    except SalusError as error:
        raise SalusError(f"{source}: {error}") from None
    if not prompt:
        raise SalusError(f"{source}: holds an empty prompt; give one of {', '.join(keys)}")
    return prompt


def read_labelme(content: Mapping[str, Any], source: str) -> Prompt:
    """Read the points, rectangles and lines of a LabelMe file as a prompt.

    Args:
        content: of the file, decoded from JSON.
        source: its name in errors.

    Raises:
        SalusError: it holds other shapes, or none, or is damaged.
    """
    prompt = NO_PROMPT
    for number, shape in enumerate(content["shapes"], start=1):
        where = f"{source}, shape {number}"
        try:
            kind, points = shape.get("shape_type", "polygon"), [(float(x), float(y)) for x, y in shape["points"]]
            label = str(shape.get("label", "")).strip().lower()
        except (AttributeError, TypeError, ValueError, OverflowError, KeyError):
            raise SalusError(f"{where}: is damaged; save the file with LabelMe again") from None
        try:
            if kind in ("point", "points"):
                prompt += make_prompt(not_points=points) if label in OUTSIDE else make_prompt(points=points)
            elif kind == "rectangle" and len(points) >= 2:
                xs, ys = zip(*points, strict=True)  # its corners stand in any order
                prompt += make_prompt(box=(min(xs), min(ys), max(xs), max(ys)))
            elif kind in ("line", "linestrip"):
                prompt += make_prompt(scribble=points)
            else:
                raise SalusError(f"is a {kind}; prompts are points, rectangles and lines")
        except SalusError as error:
            raise SalusError(f"{where}: {error}") from None
    if not prompt:
        raise SalusError(f"{source}: holds no shapes; draw a point or a rectangle in LabelMe")
    return prompt


def _labelme_image(path: Path, content: Mapping[str, Any]) -> str:
    """Return the image that a LabelMe file is for: the name it holds, else that of the file itself."""
    image = content.get("imagePath")
    return image.replace("\\", "/").rpartition("/")[2] if isinstance(image, str) and image else path.stem


def _read_entry(path: Path, image: Any, entry: Any) -> ImagePrompt:
    """Read a prompt of Salus's own form, with its image and frame."""
    frame = None
    if isinstance(entry, dict):
        entry = dict(entry)
        image, frame = entry.pop("image", image), entry.pop("frame", None)
    source = str(path) if image is None else f"{path}, {image}"
    if not (image is None or isinstance(image, str)) or not (frame is None or type(frame) is int):
        raise SalusError(f"{source}: the image must be a file's name, and the frame a whole number")
    prompt = read_prompt(entry, source, path.parent)
    return ImagePrompt(None if image is None else image.replace("\\", "/"), prompt, frame)


def _form(name: str) -> str:
    return {"box": "[x0, y0, x1, y1]", "map": "the name of its file"}.get(name, "[[x, y], ...]")
