"""Phantoms: the same bytes for the same seed, the published layout, and the physics of speckle and shadows."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from salus.data.phantom.lesion import draw_lesion
from salus.data.phantom.make import COLUMNS, MIN_SIDE, Phantom, make_phantom, write_phantoms
from salus.data.phantom.speckle import RAYLEIGH_SNR, blur_rows, log_compress, shadow_db, speckle_envelope
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


# One phantom


@pytest.mark.parametrize("seed", [0, 5, 2**40])
def test_same_seed_same_bytes_other_seed_other_bytes(seed: int) -> None:
    first, again, other = (make_phantom(s, size=(200, 230)) for s in (seed, seed, seed + 1))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    assert (first.label, first.spacing) == (again.label, again.spacing)
    assert first.image.tobytes() != other.image.tobytes()


def test_shapes_kinds_and_ranges() -> None:
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


def test_benign_outlines_are_wider_than_tall_and_smoother() -> None:
    rough: dict[str, list[float]] = {}
    ratio: dict[str, list[float]] = {}
    for label in ("benign", "malignant"):
        for seed in range(50):
            lesion = draw_lesion(np.random.default_rng(seed), label, depth=40.0, width=38.0, zone=(8.0, 28.0))
            rough.setdefault(label, []).append(float(np.abs(np.diff(lesion.outline)).sum()))
            ratio.setdefault(label, []).append(lesion.axes[0] / lesion.axes[1])
            assert abs(lesion.outline[0] - lesion.outline[-1]) < 0.02, "the outline does not close"
    assert max(ratio["benign"]) < 1.0 < max(ratio["malignant"])
    assert np.median(rough["malignant"]) > 2.0 * np.median(rough["benign"])


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


# Physics, before log compression


def correlation(intensity: np.ndarray, lag: int, axis: int) -> float:
    """Normalised autocovariance of an intensity pattern."""
    length = intensity.shape[axis]
    here = np.take(intensity, range(length - lag), axis).ravel()
    there = np.take(intensity, range(lag, length), axis).ravel()
    return float(np.corrcoef(here, there)[0, 1])


def test_homogeneous_tissue_gives_fully_developed_speckle() -> None:
    envelope = speckle_envelope(np.full((500, 500), 3.0), np.random.default_rng(1), axial=1.3, lateral=3.0)
    assert pytest.approx(1.91, abs=0.005) == RAYLEIGH_SNR
    assert envelope.mean() / envelope.std() == pytest.approx(RAYLEIGH_SNR, rel=0.02)
    assert np.mean(envelope**2) == pytest.approx(9.0, rel=0.05)
    apart = envelope[::12, ::24].ravel()  # samples far enough apart to be independent
    assert stats.kstest(apart, "rayleigh", args=(0, 3.0 / np.sqrt(2.0))).pvalue > 0.01


def test_compounding_raises_the_ratio_and_smooth_surfaces_break_it() -> None:
    flat = np.ones((300, 300))
    four = speckle_envelope(flat, np.random.default_rng(2), axial=1.2, lateral=2.0, looks=4)
    assert four.mean() / four.std() > 1.8 * RAYLEIGH_SNR
    shiny = speckle_envelope(flat, np.random.default_rng(2), axial=1.2, lateral=2.0, specular=flat)
    assert shiny.mean() / shiny.std() > 1.3 * RAYLEIGH_SNR


def test_grain_follows_the_pulse() -> None:
    """For a Gaussian pulse of width s the intensity's autocovariance at lag d is exp(-d^2 / (2 s^2))."""
    envelope = speckle_envelope(np.ones((500, 500)), np.random.default_rng(3), axial=2.0, lateral=4.0)
    intensity = envelope**2
    assert correlation(intensity, 2, axis=0) == pytest.approx(np.exp(-0.5), abs=0.04)
    assert correlation(intensity, 4, axis=1) == pytest.approx(np.exp(-0.5), abs=0.04)
    assert correlation(intensity, 4, axis=1) > correlation(intensity, 4, axis=0) + 0.3


def test_grain_widens_away_from_the_focus_and_keeps_its_brightness() -> None:
    lateral = np.linspace(1.0, 6.0, 600)
    envelope = speckle_envelope(np.ones((600, 400)), np.random.default_rng(4), axial=1.0, lateral=lateral)
    parts = np.split(envelope**2, 3)
    shares = [correlation(part, 3, axis=1) for part in parts]
    assert all(shallow + 0.1 < deep for shallow, deep in pairwise(shares))
    assert all(part.mean() == pytest.approx(1.0, rel=0.12) for part in parts)


def test_images_themselves_have_wider_grain_across_than_along_the_beam(phantoms: list[Phantom]) -> None:
    wider = 0
    for phantom in phantoms[:20]:
        image = phantom.image.astype(float)
        fine = image - ndimage.gaussian_filter(image, 6.0)
        wider += correlation(fine, 2, axis=1) > correlation(fine, 2, axis=0)
    assert wider >= 19


def test_blur_keeps_constants_and_widens_by_its_sigma() -> None:
    assert np.allclose(blur_rows(np.full((3, 50), 2.0), np.array([0.0, 1.0, 9.0])), 2.0, atol=1e-4)
    spike = np.zeros((1, 201))
    spike[0, 100] = 1.0
    blurred = blur_rows(spike, np.array([5.0]))[0]
    assert blurred.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.sqrt(np.sum(blurred * (np.arange(201) - 100.0) ** 2)) == pytest.approx(5.0, rel=0.01)


def test_shadow_lies_below_what_casts_it() -> None:
    loss = np.zeros((60, 40))
    loss[20:30, 15:25] = 1.5
    shadow = shadow_db(loss, 0.2, np.zeros(60))
    assert np.allclose(shadow[:20], 0.0, atol=1e-5)
    assert np.allclose(shadow[30:, 15:25], 3.0, atol=1e-5)
    assert np.allclose(shadow[:, :15], 0.0, atol=1e-5)


def test_log_compression_is_linear_in_decibels() -> None:
    grey = log_compress(10.0 ** (np.array([[10.0, 0.0, -15.0, -30.0, -60.0, -90.0]]) / 20.0), dynamic_range=60, white=0)
    assert np.allclose(grey, [[1.0, 1.0, 0.75, 0.5, 0.0, 0.0]], atol=1e-6)


# A set on disk


def test_published_layout(folder: Path) -> None:
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


def test_some_of_each_label_and_near_the_asked_share(folder: Path) -> None:
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
def test_shares_at_their_ends(tmp_path: Path, normal: float, labels: set[str]) -> None:
    write_phantoms(tmp_path, 6, normal=normal)
    assert {row["label"] for row in manifest(tmp_path)} <= labels


def test_marks_share_marks_images_and_no_masks(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "plain", 4, 1)
    write_phantoms(tmp_path / "marked", 4, 1, marks=1.0)
    for row in manifest(tmp_path / "plain"):
        plain, marked = (read(tmp_path / kind, "images", row["name"]) for kind in ("plain", "marked"))
        assert 0 < (plain != marked).sum() < 0.05 * plain.size
        assert np.array_equal(*(read(tmp_path / kind, "masks", row["name"]) for kind in ("plain", "marked")))


# Mistakes


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
