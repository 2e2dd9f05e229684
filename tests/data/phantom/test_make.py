"""Phantoms: the same bytes for the same seed, the signs of each label, and data sets in the published layout."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from salus.data.phantom.make import COLUMNS, MIN_SIDE, Phantom, make_phantom, write_phantoms
from salus.errors import SalusError

N = 40


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [make_phantom(seed, size=(220, 240)) for seed in range(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set") / "phantoms"
    write_phantoms(folder, N, seed=3, marks=0.3)
    return folder


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read(folder: Path, part: str, name: str) -> np.ndarray:
    with Image.open(folder / part / f"{name}.png") as image:
        assert image.mode == "L"
        return np.asarray(image)


@pytest.mark.parametrize("seed", [0, 5, 2**40])
def test_same_seed_same_bytes_other_seed_other_bytes(seed: int) -> None:
    first, again, other = (make_phantom(s, size=(200, 230)) for s in (seed, seed, seed + 1))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    assert (first.label, first.spacing) == (again.label, again.spacing)
    assert first.image.tobytes() != other.image.tobytes()


def test_sizes_types_and_spacing_are_as_promised() -> None:
    sizes = set()
    for seed in range(6):
        phantom = make_phantom(seed)
        height, width = phantom.image.shape
        sizes.add((height, width))
        assert 300 <= height <= 480
        assert 300 <= width <= 480
        assert phantom.image.dtype == np.uint8
        assert phantom.mask.dtype == bool
        assert phantom.mask.shape == phantom.image.shape
        assert 25.0 < height * phantom.spacing[0] < 50.0
        assert phantom.image.std() > 15
    assert len(sizes) > 3


@pytest.mark.parametrize("size", [(MIN_SIDE, MIN_SIDE), (64, 300), (500, 90)])
def test_any_size_from_the_smallest_holds_a_tumour(size: tuple[int, int]) -> None:
    for seed in range(12):
        phantom = make_phantom(seed, size=size)
        assert phantom.image.shape == size
        assert phantom.mask.any()


def test_both_labels_occur_and_normal_has_no_mask(phantoms: list[Phantom]) -> None:
    labels = [phantom.label for phantom in phantoms]
    assert set(labels) == {"benign", "malignant"}
    assert min(labels.count("benign"), labels.count("malignant")) > 15
    normal = make_phantom(0, size=(200, 200), tumour=False)
    assert normal.label == "normal"
    assert not normal.mask.any()


def test_the_mask_is_one_region_of_varied_size(phantoms: list[Phantom]) -> None:
    widths = []
    for phantom in phantoms:
        count = ndimage.label(phantom.mask, np.ones((3, 3)))[1]
        assert count == 1
        widths.append(np.ptp(np.nonzero(phantom.mask)[1]) / 2 / phantom.mask.shape[1])
    assert min(widths) < 0.1
    assert max(widths) > 0.22
    assert max(widths) < 0.5


def test_the_mask_lies_where_the_tumour_is(phantoms: list[Phantom]) -> None:
    """The step from a tumour's inner border to its outer one is greatest at the mask itself, not beside it."""
    steps = dict.fromkeys(((0, 0), (0, 5), (0, -5), (5, 0), (-5, 0)), 0.0)
    for phantom in phantoms:
        inner = phantom.mask & ~ndimage.binary_erosion(phantom.mask, iterations=4)
        outer = ndimage.binary_dilation(phantom.mask, iterations=4) & ~phantom.mask
        for shift in steps:
            image = np.roll(phantom.image.astype(float), shift, axis=(0, 1))
            steps[shift] += (image[outer].mean() - image[inner].mean()) / len(phantoms)
    assert steps[0, 0] > 15.0
    assert all(steps[shift] < 0.85 * steps[0, 0] for shift in steps if shift != (0, 0)), steps


def test_most_tumours_are_darker_than_the_ring_around_them(phantoms: list[Phantom]) -> None:
    darker = 0
    for phantom in phantoms:
        near = ndimage.binary_dilation(phantom.mask, iterations=2)
        ring = ndimage.binary_dilation(phantom.mask, iterations=12) & ~near
        darker += phantom.image[phantom.mask].mean() < phantom.image[ring].mean()
    assert darker >= 0.9 * len(phantoms)


def test_benign_enhances_and_malignant_shadows_on_average(phantoms: list[Phantom]) -> None:
    behind: dict[str, list[float]] = {"benign": [], "malignant": []}
    for phantom in phantoms:
        rows, columns = np.nonzero(phantom.mask)
        start = rows.max() + round(1.0 / phantom.spacing[0])
        band = phantom.image[start : start + round(5.0 / phantom.spacing[0])].astype(float)
        away = np.abs(np.arange(phantom.mask.shape[1]) - columns.mean()) / (np.ptp(columns) / 2 + 1)
        beside = (away > 1.3) & (away < 2.6)
        if len(band) > 3 and beside.any():
            behind[phantom.label].append(band[:, away < 0.5].mean() - band[:, beside].mean())
    assert np.mean(behind["benign"]) > 5.0
    assert np.mean(behind["malignant"]) < -5.0


def test_marks_add_bright_pixels_and_leave_the_rest() -> None:
    for seed in range(6):
        plain, marked = (make_phantom(seed, size=(300, 320), marks=marks) for marks in (False, True))
        assert np.array_equal(plain.mask, marked.mask)
        changed = plain.image != marked.image
        assert 60 < changed.sum() < 0.05 * changed.size
        assert marked.image[changed].max() >= 190
        rows, columns = np.nonzero(plain.mask)
        near = changed[rows.min() - 5 : rows.max() + 6, columns.min() - 5 : columns.max() + 6]
        assert near.sum() > 20, "no calipers at the tumour"
    plain, marked = (make_phantom(1, size=(300, 320), tumour=False, marks=marks) for marks in (False, True))
    assert (plain.image != marked.image).sum() > 30


def test_a_set_is_written_in_the_published_layout(folder: Path) -> None:
    rows = manifest(folder)
    assert tuple(rows[0]) == COLUMNS
    names = [row["name"] for row in rows]
    assert len(set(names)) == N
    assert sorted(path.name for path in folder.iterdir()) == ["images", "manifest.csv", "masks"]
    for part in ("images", "masks"):
        assert sorted(path.name for path in (folder / part).iterdir()) == sorted(f"{name}.png" for name in names)
    for row in rows:
        image, mask = (read(folder, part, row["name"]) for part in ("images", "masks"))
        assert image.shape == mask.shape
        assert set(np.unique(mask)) == ({0} if row["label"] == "normal" else {0, 255})
        assert 0.04 < float(row["spacing_row_mm"]) < 0.2
        assert 0.04 < float(row["spacing_column_mm"]) < 0.2


def test_a_set_has_every_label_and_about_the_share_of_normals(folder: Path) -> None:
    labels = [row["label"] for row in manifest(folder)]
    assert set(labels) == {"benign", "malignant", "normal"}
    assert 2 <= labels.count("normal") <= 12


def test_patients_have_one_or_two_views_that_belong_together(folder: Path) -> None:
    views: dict[str, list[dict[str, str]]] = {}
    for row in manifest(folder):
        views.setdefault(row["patient"], []).append(row)
    assert {len(rows) for rows in views.values()} == {1, 2}
    for first, second in (rows for rows in views.values() if len(rows) == 2):
        assert {key: first[key] for key in COLUMNS[1:]} == {key: second[key] for key in COLUMNS[1:]}
        here, there = (read(folder, "images", row["name"]) for row in (first, second))
        assert here.shape == there.shape
        assert (here != there).mean() > 0.5, "the speckle is the same"
        areas = [int((read(folder, "masks", row["name"]) > 0).sum()) for row in (first, second)]
        assert max(areas) <= 2 * min(areas)


def test_a_longer_set_begins_with_the_shorter(folder: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    written = write_phantoms(tmp_path / "short", 5, 3, marks=0.3, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(i, 5) for i in range(1, 6)]
    assert [path.stem for path in written] == [row["name"] for row in manifest(folder)[:5]]
    for path in written:
        for part in ("images", "masks"):
            assert (tmp_path / "short" / part / path.name).read_bytes() == (folder / part / path.name).read_bytes()
    lines = (tmp_path / "short" / "manifest.csv").read_bytes().splitlines()
    assert lines == (folder / "manifest.csv").read_bytes().splitlines()[:6]


@pytest.mark.parametrize(("normal", "labels"), [(0.0, {"benign", "malignant"}), (1.0, {"normal"})])
def test_a_share_of_0_or_1_of_normals_is_exact(tmp_path: Path, normal: float, labels: set[str]) -> None:
    write_phantoms(tmp_path, 6, normal=normal)
    assert {row["label"] for row in manifest(tmp_path)} <= labels


def test_marks_change_images_and_no_masks(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "plain", 4, 1)
    write_phantoms(tmp_path / "marked", 4, 1, marks=1.0)
    for row in manifest(tmp_path / "plain"):
        plain, marked = (read(tmp_path / kind, "images", row["name"]) for kind in ("plain", "marked"))
        assert 0 < (plain != marked).sum() < 0.05 * plain.size
        assert np.array_equal(*(read(tmp_path / kind, "masks", row["name"]) for kind in ("plain", "marked")))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n": 0}, "1 or more"),
        ({"n": 2, "seed": -1}, "seed -1"),
        ({"n": 2, "normal": 1.2}, "normal 1.2"),
        ({"n": 2, "normal": -0.1}, "between 0 and 1"),
        ({"n": 2, "marks": float("nan")}, "marks nan"),
    ],
)
def test_bad_arguments_are_one_line_and_write_nothing(tmp_path: Path, arguments: dict, says: str) -> None:
    with pytest.raises(SalusError, match=says) as caught:
        write_phantoms(tmp_path / "new", **arguments)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["full", "file", "file/below"])
def test_a_folder_that_cannot_take_them_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    with pytest.raises(SalusError, match=r"name (a new one|another folder)") as caught:
        write_phantoms(tmp_path / place, 1)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / place) in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "mine.txt"]


@pytest.mark.parametrize(("seed", "size"), [(-1, None), (0, (63, 200)), (0, (200, 10))])
def test_bad_seed_or_size_is_one_line(seed: int, size: tuple[int, int] | None) -> None:
    with pytest.raises(SalusError) as caught:
        make_phantom(seed, size=size)
    assert "\n" not in str(caught.value)
