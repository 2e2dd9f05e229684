"""The check of a data set: every defect planted here must come out as one line, and nothing else."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from salus.data.case import Case, DataSet
from salus.data.check import check_data_set
from salus.data.check_report import CheckReport, exit_code, render_table
from salus.data.duplicates import Duplicates, independent_groups
from salus.data.layouts import read_data_set

SHAPE = (80, 100)
LABELS = ("benign", "malignant", "normal")


def scan(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    tissue = 0.4 + 2.5 * gaussian_filter(rng.normal(size=SHAPE), (3, 9))
    pixels = np.clip(tissue * gaussian_filter(rng.gamma(2, 0.5, SHAPE), 1.2), 0, 0.9)
    return Image.fromarray((pixels * 255).astype(np.uint8))


def disc(radius: float = 12, centre: tuple[int, int] = (40, 50)) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).astype(np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six clean images: two of each class, each of another patient."""
    rows = ["image,mask,name,label,patient"]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(6):
        name, label = f"s{i}", LABELS[i // 2]
        scan(i).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(disc() * (0 if label == "normal" else 255)).save(tmp_path / "masks" / f"{name}.png")
        rows.append(f"images/{name}.png,masks/{name}.png,{name},{label},p{i}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def run(root: Path) -> CheckReport:
    return check_data_set(read_data_set(root))


def only(report: CheckReport, severity: str) -> str:
    """The message of the only problem, of that severity."""
    assert [problem.severity for problem in report.problems] == [severity], report.problems
    return report.problems[0].message


def test_a_clean_set_is_counted(root: Path) -> None:
    report = run(root)
    assert report.problems == ()
    assert (report.images, report.labelled, report.patients, report.groups) == (6, 6, 6, 6)
    assert report.labels == {"benign": 2, "malignant": 2, "normal": 2}
    assert report.height is not None
    assert (report.height.least, report.height.median, report.height.most) == (80, 80, 80)
    assert report.tumour_free == 2
    share = disc().mean()
    assert report.lesion is not None
    assert report.lesion.median == pytest.approx(share)
    assert report.lesion_classes == {
        "0% to 1%": 0, "1% to 5%": 0, "5% to 15%": 4, "15% to 30%": 0, "30% to 100%": 0,
    }  # fmt: skip
    assert exit_code(report) == exit_code(report, strict=True) == 0


@pytest.mark.parametrize("part", ["images", "masks"])
@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut off"])
def test_a_damaged_file_is_one_line_and_the_others_go_on(root: Path, part: str, content: bytes) -> None:
    path = root / part / "s1.png"
    path.write_bytes(content)
    report = run(root)
    assert str(path) in only(report, "error")
    assert report.problems[0].names == ("s1",)
    assert report.lesion_classes["5% to 15%"] == 3
    assert exit_code(report) == 1


def test_a_truncated_file_a_missing_file_and_a_folder(root: Path) -> None:
    path = root / "images" / "s0.png"
    path.write_bytes(path.read_bytes()[:900])
    (root / "masks" / "s2.png").unlink()
    (root / "images" / "s3.png").unlink()
    (root / "images" / "s3.png").mkdir()
    report = run(root)
    assert [p.names for p in report.problems if p.severity == "error"] == [("s0",), ("s2",), ("s3",)]
    assert ["no such file" in p.message for p in report.problems] == [False, True, False]


def test_a_mask_of_another_size_is_an_error(root: Path) -> None:
    path = root / "masks" / "s0.png"
    Image.fromarray(disc()[:-1]).save(path)
    message = only(run(root), "error")
    assert str(path) in message
    assert "100 x 79" in message
    assert "100 x 80" in message


def test_odd_masks_are_warned_of(root: Path) -> None:
    soft = Image.fromarray(disc() * 255).resize((50, 40), Image.Resampling.BILINEAR).resize((100, 80))
    soft.save(root / "masks" / "s0.png")
    assert "1 masks hold more than two values" in only(run(root), "warning")
    Image.fromarray(disc()).save(root / "masks" / "s0.png")  # 0 and 1 are two values
    assert run(root).problems == ()
    Image.fromarray(disc() * 0).save(root / "masks" / "s0.png")
    assert "1 masks are empty, though the label names a tumour: s0" in only(run(root), "warning")
    Image.fromarray((1 - disc()) * 255).save(root / "masks" / "s0.png")
    assert "cover more than 80%: mask inverted?: s0" in only(run(root), "warning")
    Image.fromarray(disc() * 255).save(root / "masks" / "s0.png")
    Image.fromarray(disc() * 255).save(root / "masks" / "s4.png")
    report = run(root)
    assert "hold a lesion, though the label is normal: s4" in only(report, "warning")
    assert exit_code(report) == 0
    assert exit_code(report, strict=True) == 1


def test_images_too_small_to_look_into_are_warned_of(root: Path) -> None:
    for part in ("images", "masks"):
        Image.fromarray(np.zeros((4, 40), np.uint8)).save(root / part / "s5.png")
    assert "1 images have fewer than 8 pixels a side" in only(run(root), "warning")


def test_jpeg_noise_is_not_a_third_value(root: Path) -> None:
    table = (root / "manifest.csv").read_text().replace("masks/s0.png", "masks/s0.jpg")
    (root / "manifest.csv").write_text(table)
    Image.fromarray(disc() * 255).save(root / "masks" / "s0.jpg", quality=90)
    assert len(np.unique(np.asarray(Image.open(root / "masks" / "s0.jpg")))) > 2
    assert run(root).problems == ()
    ramp = np.tile(np.linspace(0, 255, SHAPE[1]).astype(np.uint8), (SHAPE[0], 1))
    Image.fromarray(ramp).save(root / "masks" / "s0.jpg")
    assert "more than two values" in only(run(root), "warning")


def test_several_masks_and_several_lesions_are_counted(root: Path) -> None:
    table = (root / "manifest.csv").read_text().replace("masks/s0.png", "masks/s0.png;masks/s0b.png")
    (root / "manifest.csv").write_text(table)
    Image.fromarray(disc(6, (15, 15)) * 255).save(root / "masks" / "s0b.png")
    two = disc(8, (20, 20)) | disc(8, (60, 80))
    two[0, 0] = 1  # a crumb is no lesion
    Image.fromarray(two * 255).save(root / "masks" / "s1.png")
    crumb = disc()
    crumb[0, 0] = 1
    Image.fromarray(crumb * 255).save(root / "masks" / "s2.png")
    report = run(root)
    assert report.several_masks == ("s0",)
    assert report.several_lesions == ("s0", "s1")
    assert report.problems == ()


def test_duplicates_across_labels_and_patients(root: Path) -> None:
    scan(0).point(lambda v: min(255, int(1.2 * v))).save(root / "images" / "s2.png")
    report = run(root)
    assert report.duplicates == report.across_labels == report.across_patients == (("s0", "s2"),)
    assert report.groups == 5
    assert [p.message.split(": ")[-1] for p in report.problems] == ["s0 = s2"] * 3
    assert exit_code(report) == 0


def test_marks_are_listed(root: Path) -> None:
    image = np.repeat(np.asarray(scan(3))[..., None], 3, axis=2).copy()
    image[30, 20:33] = image[24:37, 26] = (255, 255, 0)
    Image.fromarray(image).save(root / "images" / "s3.png")
    report = run(root)
    assert report.marks == {"calipers": ("s3",), "text": (), "colour": ("s3",)}
    assert "1 images have suspected burned-in marks" in only(report, "warning")


def test_the_report_is_text_and_json(root: Path) -> None:
    (root / "images" / "s1.png").write_bytes(b"")
    scan(0).save(root / "images" / "s2.png")
    report = run(root)
    text = render_table(report)
    assert text.splitlines()[0] == f"{root} (layout manifest)"
    assert "benign 2, malignant 2, normal 2" in text
    assert f"error: {root / 'images' / 's1.png'}" in text
    assert text.splitlines()[-1] == "errors: 1, warnings: 3"
    assert json.loads(json.dumps(asdict(report)))["problems"][0]["severity"] == "error"


def test_unlabelled_images_and_progress(root: Path, tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    data = read_data_set(root / "images")
    report = check_data_set(data, workers=1, progress=lambda done, total: ticks.append((done, total)))
    assert (report.layout, report.labelled, report.lesion, report.patients) == ("images", 0, None, None)
    assert report.labels == {"unknown": 6}
    assert ticks[-1] == (6, 6)
    for path in (root / "images").iterdir():
        path.write_bytes(b"")
    broken = check_data_set(data)
    assert broken.height is None
    assert len(broken.problems) == 6
    assert "height, pixels    -" in render_table(broken)


def test_a_real_set(real_data: Path) -> None:
    report = run(real_data / "bus163")
    assert (report.images, report.tumour_free, report.duplicates) == (163, 0, ())
    assert exit_code(report) == 0
    assert len(report.marks["text"]) > 100


def test_a_hundred_thousand_lines_are_grouped_in_moments() -> None:
    cases = tuple(Case(f"{i:06}", Path(f"{i}.png")) for i in range(50_000))
    start = time.process_time()
    groups = independent_groups(
        DataSet(Path(), "images", cases), duplicates=Duplicates({c.name: c.name for c in cases}, ())
    )
    assert len(set(groups.values())) == len(cases)
    assert time.process_time() - start < 5
