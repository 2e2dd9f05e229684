"""Read prompt files: which image each prompt is for, and the prompt.

    .csv              image,x,y,label (1 inside, 0 outside; without label, inside), image,x0,y0,x1,y1, or image,map
    .json             of LabelMe, or {"scan.png": {"points": [[213, 140]], "box": [180, 100, 250, 190]}, ...}
    .png, .npy, ...   a heat map, for the image of the same name
    a folder          its JSON files, as LabelMe leaves them beside the images; else heat maps named as the images

In CSV and JSON, `map` names a heat map's file, from the folder of the file itself, and `frame` the frame of a cine.
"""

from __future__ import annotations

from pathlib import Path

from salus.errors import SalusError
from salus.prompts.csv_file import read_csv
from salus.prompts.heat_map import read_heat_map
from salus.prompts.json_file import read_json
from salus.prompts.prompt import ImagePrompt, Prompt
from salus.read.find import find_images

TABLES = (".csv", ".tsv", ".txt")


def read_prompts(path: Path | str) -> list[ImagePrompt]:
    """Read a file of prompts, or a folder of such; see the head of this file.

    Raises:
        SalusError: it is missing, damaged or of another kind.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "prompts.csv"
        >>> _ = path.write_text("image,x,y,label\\nscan.png,213,140,1\\nscan.png,20,30,0\\n")
        >>> first, second = read_prompts(path)
        >>> first.image, first.prompt.points, second.prompt.not_points
        ('scan.png', ((213.0, 140.0),), ((20.0, 30.0),))
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    name = path.name.lower()
    if name.endswith(TABLES):
        return read_csv(path)
    return read_json(path) if name.endswith(".json") else [_read_map(path)]


def _read_map(path: Path) -> ImagePrompt:
    """Read a heat map, for the image of the same name."""
    name = path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem
    return ImagePrompt(name, Prompt(map=read_heat_map(path)))


def _read_folder(folder: Path) -> list[ImagePrompt]:
    """Read every JSON file of a folder; where there is none, every heat map."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    # LabelMe puts its files beside the images, which are no heat maps then.
    if annotations := [path for path in files if path.name.lower().endswith(".json")]:
        return [prompt for path in annotations for prompt in read_json(path)]
    arrays = [path for path in files if path.name.lower().endswith(".npy")]
    try:
        maps = [*arrays, *find_images(folder)]
    except SalusError:  # it has no image
        maps = arrays
    if not maps:
        raise SalusError(f"{folder}: holds no prompts; give a folder of LabelMe files or of heat maps")
    return [_read_map(path) for path in maps]
