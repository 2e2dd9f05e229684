"""Near-duplicates: copies made here must be found, different scans must not, whatever the order and the names."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from salus.data.case import Case, DataSet
from salus.data.duplicates import cluster_hashes, find_duplicates, independent_groups, perceptual_hash
from salus.data.layouts import read_data_set

SHAPE = (180, 240)


def tissue(seed: int) -> np.ndarray:
    """A made-up sonogram in [0, 1]: layers, blobs and speckle, brighter above, as all sonograms are."""
    rng = np.random.default_rng(seed)
    layers = gaussian_filter(rng.normal(size=SHAPE), (4, 18)) * 25
    blobs = gaussian_filter(rng.normal(size=SHAPE), 9) * 22
    speckle = gaussian_filter(rng.gamma(2, 0.5, SHAPE), 0.8)
    depth = np.linspace(0.8, 0.2, SHAPE[0])[:, None]
    return np.clip(depth * (1 + layers + blobs) * speckle, 0, 1).astype(np.float32)


def marked(pixels: np.ndarray) -> np.ndarray:
    """The same with calipers and text."""
    image = Image.fromarray((pixels * 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for x, y in ((60, 70), (150, 90), (100, 40), (105, 120)):
        pen.line((x - 5, y, x + 5, y), fill=255)
        pen.line((x, y - 5, x, y + 5), fill=255)
    pen.text((20, 150), "RIGHT BREAST 10H", fill=255)
    return np.asarray(image, np.float32) / 255


def jpeg(pixels: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray((pixels * 255).astype(np.uint8)).save(buffer, "JPEG", quality=50)
    return np.asarray(Image.open(buffer), np.float32) / 255


COPIES = {
    "gain": lambda p: np.clip(p * 1.3, 0, 1) ** 0.8,
    "jpeg": jpeg,
    "smaller": lambda p: np.asarray(Image.fromarray(p).resize((130, 98), Image.Resampling.BILINEAR)),
    "marks": marked,
    "mirrored": lambda p: p[:, ::-1],
    "cropped": lambda p: p[: -SHAPE[0] // 12, SHAPE[1] // 10 :],
    "shifted": lambda p: p[12:, :-18],
    "noise": lambda p: np.clip(p + np.random.default_rng(9).normal(0, 0.03, SHAPE), 0, 1).astype(np.float32),
}
OTHERS = {f"other {seed}": perceptual_hash(tissue(seed)) for seed in range(100, 124)}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("company", [0, 24])
def test_a_copy_is_found_alone_and_among_others(kind: str, company: int) -> None:
    prints = dict(list(OTHERS.items())[:company])
    prints |= {"a": perceptual_hash(tissue(1)), "z": perceptual_hash(COPIES[kind](tissue(1)))}
    found = cluster_hashes(prints)
    assert found.clusters == (("a", "z"),)
    assert found.groups["z"] == found.groups["a"] == "a"
    assert all(found.groups[name] == name for name in prints if name != "z")


def test_different_scans_stay_apart() -> None:
    prints = {f"{seed:03}": perceptual_hash(tissue(seed)) for seed in range(60)}
    assert cluster_hashes(prints).clusters == ()


def test_the_black_round_a_sector_links_nothing() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    sector = np.abs(x - SHAPE[1] / 2) < SHAPE[1] * (0.25 + 0.25 * y / SHAPE[0])
    prints = {f"{seed:03}": perceptual_hash(tissue(seed) * sector) for seed in range(30)}
    prints["copy"] = perceptual_hash(marked(tissue(7)) * sector)
    assert cluster_hashes(prints).clusters == (("007", "copy"),)


def test_a_frame_that_all_share_links_nothing() -> None:
    frame = Image.new("L", (400, 300), 0)
    pen = ImageDraw.Draw(frame)
    for line in range(12):
        pen.text((5, 20 + 22 * line), f"Gain {line * 7 % 13} dB", fill=230)
    pen.rectangle((350, 60, 380, 250), fill=150)

    def screen(pixels: np.ndarray) -> np.ndarray:
        image = frame.copy()
        image.paste(Image.fromarray((pixels * 255).astype(np.uint8)), (90, 60))
        return np.asarray(image, np.float32) / 255

    prints = {f"{seed:03}": perceptual_hash(screen(tissue(seed))) for seed in range(24)}
    prints["copy"] = perceptual_hash(screen(jpeg(tissue(3))))
    assert cluster_hashes(prints).clusters == (("003", "copy"),)


def test_links_are_followed_and_blank_images_are_no_copies() -> None:
    """A chain of shifts, each near its neighbours only, is one cluster_hashes; images of one grey are none."""
    wide = np.concatenate([tissue(5), tissue(6)], axis=1)
    chain = {f"c{i}": perceptual_hash(wide[:, 20 * i : 20 * i + 240]) for i in range(8)}
    far = cluster_hashes({"c0": chain["c0"], "c7": chain["c7"]})
    assert far.clusters == ()
    blank = {"black": perceptual_hash(np.zeros(SHAPE)), "grey": perceptual_hash(np.full(SHAPE, 0.5))}
    assert cluster_hashes(chain | blank).clusters == (tuple(sorted(chain)),)


def test_few_or_no_images() -> None:
    assert cluster_hashes({}).groups == {}
    assert cluster_hashes({"only": perceptual_hash(tissue(1))}).groups == {"only": "only"}


@given(order=st.permutations(list(range(9))))
@settings(max_examples=8, deadline=None)
def test_names_and_order_do_not_matter(order: list[int]) -> None:
    sources = [0, 1, 1, 2, 3, 3, 3, 4, 5]
    prints = [perceptual_hash(tissue(s) if i % 2 else marked(tissue(s))) for i, s in enumerate(sources)]
    names = {i: f"n{place}" for place, i in enumerate(order)}
    found = cluster_hashes({names[i]: prints[i] for i in order})
    together = {frozenset(names[i] for i in group) for group in ((1, 2), (4, 5, 6))}
    assert {frozenset(c) for c in found.clusters} == together


def cases(folder: Path, sources: list[int], patients: list[str | None] | None = None) -> DataSet:
    made = []
    for i, source in enumerate(sources):
        path = folder / f"i{i}.png"
        pixels = tissue(source) if i % 2 else marked(tissue(source))
        Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
        made.append(Case(path.stem, path, patient=patients[i] if patients else None))
    return DataSet(folder, "images", tuple(made))


def test_unreadable_images_are_their_own_cluster(tmp_path: Path) -> None:
    data = cases(tmp_path, [1, 1, 2, 3])
    data.cases[2].image.write_bytes(b"")
    data.cases[3].image.write_bytes(b"")
    ticks: list[tuple[int, int]] = []
    found = find_duplicates(data.cases, progress=lambda done, total: ticks.append((done, total)))
    assert found.groups == {"i0": "i0", "i1": "i0", "i2": "i2", "i3": "i3"}
    assert sorted(found.unreadable) == ["i2", "i3"]
    assert str(data.cases[2].image) in found.unreadable["i2"]
    assert ticks == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_groups_join_patients_and_copies(tmp_path: Path) -> None:
    """i0-i1 are copies of two patients; i2 is the first one's; i3-i4 are copies without a patient; i5 is alone."""
    patients = ["ann", "eve", "ann", None, None, "joy", "i5"]
    groups = independent_groups(cases(tmp_path, [1, 1, 2, 3, 3, 4, 5], patients))
    assert groups["i0"] == groups["i1"] == groups["i2"] == "ann + eve"
    assert groups["i3"] == groups["i4"] == "i3"
    assert groups["i5"] == "joy"
    assert groups["i6"] == "i5"
    assert list(groups) == [f"i{i}" for i in range(7)]


def test_a_case_named_as_a_patient_is_another_group(tmp_path: Path) -> None:
    groups = independent_groups(cases(tmp_path, [1, 2], ["i1", None]))
    assert len(set(groups.values())) == 2


def test_known_duplicates_of_the_real_sets(real_data: Path) -> None:
    """Looked up by eye: the same scan in two classes of BUSI, and under two patients of BUS-BRA."""
    busi = {case.name: case for case in read_data_set(real_data / "busi").cases}
    names = [name for name in busi if "(1" in name or "(4" in name]
    found = find_duplicates([busi[name] for name in names])
    assert found.groups["benign (433)"] == found.groups["malignant (145)"]
    assert found.groups["benign (42)"] == found.groups["benign (131)"]
    bra = {case.name: case for case in read_data_set(real_data / "busbra").cases}
    names = [name for name in bra if "bus_005" in name or "bus_009" in name]
    found = find_duplicates([bra[name] for name in names])
    across = [c for c in found.clusters if len({bra[name].patient for name in c}) > 1]
    assert across == [("bus_0056-l", "bus_0091-l"), ("bus_0056-r", "bus_0091-r")]
