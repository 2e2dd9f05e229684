"""Small data sets in every layout, written file by file as the published ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SHAPE = (10, 14)
GREEN, RED = (0, 255, 0), (255, 0, 0)


def picture(path: Path, value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(SHAPE, value, np.uint8)).save(path)
    return path


def mask(path: Path, columns: slice | None = None, colour: tuple[int, int, int] | int = 255) -> Path:
    """A mask whose lesion is some columns, in grey or in a colour; None is an empty one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(SHAPE if isinstance(colour, int) else (*SHAPE, 3), np.uint8)
    if columns is not None:
        values[:, columns] = colour
    Image.fromarray(values).save(path, quality=75)
    return path


def busi(root: Path) -> Path:
    picture(root / "benign" / "benign (1).png")
    mask(root / "benign" / "benign (1)_mask.png", slice(0, 3))
    mask(root / "benign" / "benign (1)_mask_1.png", slice(8, 10))
    picture(root / "malignant" / "malignant (1).png")
    mask(root / "malignant" / "malignant (1)_mask.png", slice(4, 5))
    picture(root / "normal" / "normal (1).png")
    mask(root / "normal" / "normal (1)_mask.png")
    return root


def busbra(root: Path) -> Path:
    rows = [("bus_0001-l", 1, "malignant", 3), ("bus_0001-r", 1, "malignant", 3), ("bus_0002-s", 2, "benign", 5)]
    for name, *_ in rows:
        picture(root / "Images" / f"{name}.png")
        mask(root / "Masks" / f"{name.replace('bus', 'mask')}.png", slice(2, 6), 1)
    table = "".join(f"{n},{case},x,{label},4\n" for n, case, label, _ in rows)
    (root / "bus_data.csv").write_text("ID,Case,Histology,Pathology,BIRADS\n" + table)
    folds = "".join(f"{n},{label},{fold},1,NaN\n" for n, _, label, fold in rows)
    (root / "5-fold-cv.csv").write_text("ID,Pathology,kFold,valid_1,valid_2\n" + folds)
    return root


def uclm(root: Path, suffix: str = "png", empty: int = 12) -> Path:
    """Many empty masks come first, as in the real set."""
    for i in range(empty):
        picture(root / "images" / f"ALWI_{i:03}.png")
        mask(root / "masks" / f"ALWI_{i:03}.{suffix}", None, GREEN)
    for name, colour in (("VITR_000", GREEN), ("WAQU_001", RED)):
        picture(root / "images" / f"{name}.png")
        mask(root / "masks" / f"{name}.{suffix}", slice(0, 7), colour)
    return root


def published(root: Path, colour: tuple[int, int, int] | int = 255) -> Path:
    for name in ("000001", "000002"):
        picture(root / "images" / f"{name}.png")
        mask(root / "masks" / f"{name}.png", slice(3, 6), colour)
    return root


def breast(root: Path) -> Path:
    for i in (1, 2, 3):
        picture(root / f"case00{i}.png")
    mask(root / "case001_tumor.png", slice(0, 2))
    mask(root / "case002_tumor1.png", slice(0, 2))
    mask(root / "case002_tumor2.png", slice(5, 6))
    mask(root / "case002_other1.png", slice(9, 12))
    return root


def manifest(root: Path) -> Path:
    picture(root / "scans" / "a.png")
    picture(root / "scans" / "b.png")
    picture(root / "scans" / "c.png")
    mask(root / "truth" / "a1.png", slice(0, 2))
    mask(root / "truth" / "a2.png", slice(6, 7))
    (root / "manifest.csv").write_text(
        "\ufeffimage, mask ,patient,label,fold,source\n"
        "scans/a.png,truth/a1.png;truth/a2.png,p1,Malignant,1,Here\n"
        "scans\\b.png,none,p2,normal,2,\n"
        "scans/c.png,,,,,\n",
        encoding="utf-8",
    )
    return root


def columns(truth: np.ndarray) -> list[int]:
    return np.flatnonzero(truth.all(axis=0)).tolist()


MAKERS = {
    "busi": busi,
    "busbra": busbra,
    "colours": uclm,
    "published": published,
    "pairs": breast,
    "manifest": manifest,
}
