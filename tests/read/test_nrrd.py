"""NRRD files in every encoding hold what pynrrd reads; only the pixels of a raw file are read."""

import bz2
import gzip
import resource
import time

import nrrd
import numpy as np
import pytest

from salus import read_scan
from salus.errors import SalusError
from salus.read.frames import open_frames
from salus.read.geometry import read_geometry

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 30, 40), np.uint8)
PIXELS[0, 0, 0] = 255


def write(path, *, values=PIXELS, encoding="raw", fields="", before=b"", inside=b"", behind=b"", kind="uint8"):
    """Write frames as NRRD by hand; the bytes `before` and `behind` lie outside what is packed, `inside` within."""
    sizes = " ".join(map(str, values.shape[::-1]))
    header = f"NRRD0004\ntype: {kind}\ndimension: {values.ndim}\nsizes: {sizes}\nencoding: {encoding}\n"
    header += "endian: big\n" + fields + "\n"
    pack = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}[encoding]
    content = values.astype(values.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(header.encode() + before + pack(inside + content) + behind)
    return path


CASES = {
    "plain": {},
    "line skip": {"fields": "line skip: 2\n", "before": b"one\ntwo\n"},
    "lineskip": {"fields": "lineskip: 1\n", "before": b"one\n"},
    "byte skip": {"fields": "byte skip: 7\n", "before": b"1234567"},
    "byte skip -1": {"fields": "byte skip: -1\n", "before": b"anything"},
    "line and byte skip": {"fields": "line skip: 1\nbyte skip: 3\n", "before": b"one\n123"},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("kind", "dtype"), [("uint8", np.uint8), ("short", np.int16), ("float", np.float32)])
def test_raw_files_are_read_as_pynrrd_reads_them(name, kind, dtype, tmp_path):
    values = PIXELS.astype(dtype)
    path = write(tmp_path / "a.nrrd", values=values, kind=kind, **CASES[name])
    expected = nrrd.read(str(path), index_order="C")[0]
    np.testing.assert_array_equal(expected, values)
    opened = open_frames(path)
    assert opened.count == len(values)
    for number in range(1, 6):
        frame = expected[number - 1]
        scale = 255 if kind == "uint8" else frame.max()
        np.testing.assert_allclose(opened.scan(number).pixels, frame / scale, atol=1e-6)


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
@pytest.mark.parametrize(
    "skip",
    [
        {},
        {"fields": "line skip: 1\n", "before": b"one\n"},
        {"fields": "byte skip: -1\n", "inside": b"anything" * 500_000},
        {"fields": "byte skip: 2500000\n", "inside": bytes(2_500_000)},  # of the unpacked bytes, as the format says
    ],
    ids=["plain", "line skip", "byte skip -1", "byte skip"],
)
def test_packed_files(encoding, skip, tmp_path):
    path = write(tmp_path / "a.nrrd", encoding=encoding, **skip)
    if "byte skip: 2" not in skip.get("fields", ""):  # which pynrrd applies to the packed bytes too
        np.testing.assert_array_equal(nrrd.read(str(path), index_order="C")[0], PIXELS)
    opened = open_frames(path)
    for number in range(1, 6):
        np.testing.assert_allclose(opened.scan(number).pixels * 255, PIXELS[number - 1], atol=1e-4)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ASCII"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4", "u8", "f4", "f8"])
def test_what_pynrrd_writes(dtype, encoding, tmp_path):
    values = PIXELS.astype(dtype)
    values[1] //= 2
    for name, array, header in (
        ("picture", values[0], {}),
        ("frames", values, {}),
        ("colour", np.moveaxis(values[:3], 0, -1), {"kinds": ["RGB-color", "domain", "domain"]}),
        ("planes", values[:3], {"kinds": ["domain", "domain", "RGB-color"]}),
        ("movie", np.stack([values[:3], values[1:4]]), {"kinds": ["domain", "domain", "RGB-color", "time"]}),
    ):
        path = tmp_path / f"{name}.nrrd"
        nrrd.write(str(path), array, {"encoding": encoding, **header}, index_order="C")
        expected = nrrd.read(str(path), index_order="C")[0]
        opened = open_frames(path)
        frames = expected if name in ("frames", "movie") else expected[None]
        if name in ("planes", "movie"):
            frames = np.moveaxis(frames, 1, -1)
        assert opened.count == len(frames)
        for number, frame in enumerate(frames, 1):
            np.testing.assert_array_equal(opened.values(number), frame)


def test_colours_that_are_the_last_axis_of_a_cine_are_refused_and_no_frames(tmp_path):
    header = {"kinds": ["domain", "domain", "time", "RGB-color"]}
    nrrd.write(str(tmp_path / "a.nrrd"), np.stack([PIXELS] * 3), header, index_order="C")
    with pytest.raises(SalusError, match="its colours are axis 4; save it with the colours as the first axis"):
        open_frames(tmp_path / "a.nrrd")


@pytest.mark.parametrize("kinds", ["domain domain RGB-color", "RGB-color domain domain"])
def test_the_place_of_a_colour_picture_is_that_of_its_pixels(kinds, tmp_path):
    """The directions of the colour axis, which has none, are passed over wherever it is."""
    steps = [np.array([0.2, 0, 0]), np.array([0, 0.1, 0])]
    colours = kinds.split().index("RGB-color")
    steps.insert(colours, np.full(3, np.nan))
    sizes = [40, 30]
    sizes.insert(colours, 3)
    header = {"space": "left-posterior-superior", "space origin": [1.0, 2.0, 3.0], "space directions": np.array(steps)}
    nrrd.write(str(tmp_path / "a.nrrd"), np.zeros(sizes, np.uint8), header | {"kinds": kinds.split()})
    geometry = read_geometry(tmp_path / "a.nrrd")
    assert geometry.shape == (40, 30)
    np.testing.assert_allclose(geometry.affine, [[-0.2, 0, 0, -1], [0, -0.1, 0, -2], [0, 0, 1, 3], [0, 0, 0, 1]])
    assert read_scan(tmp_path / "a.nrrd").spacing == pytest.approx((0.1, 0.2))


@pytest.mark.parametrize("name", ["ascii", "ASCII", "text", "txt"])
@pytest.mark.parametrize("skip", ["", "line skip: 2\n", "byte skip: 8\n"])
def test_text_of_any_name_and_place(skip, name, tmp_path):
    path = tmp_path / "a.nrrd"
    header = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 40 30 5\nencoding: {name}\n{skip}\n"
    text = "\n".join("\t ".join(map(str, row)) for row in PIXELS.reshape(-1, 40).astype(int) - 100)
    path.write_text(header + ("one\ntwo\n" if skip else "") + text)
    np.testing.assert_array_equal(nrrd.read(str(path), index_order="C")[0], PIXELS.astype(int) - 100)
    opened = open_frames(path)
    for number in range(1, 6):
        np.testing.assert_array_equal(opened.values(number), PIXELS[number - 1].astype(int) - 100)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3 4 5", "cut short"),
        ("1 2 3 4 5 six", "damaged"),
        ("1 2 3 4 5 256", "damaged"),
        ("1 2 3 4 5 -1", "damaged"),
        ("1 2 3 4 5 1.5 7", "damaged"),
        ("", "cut short"),
    ],
)
@pytest.mark.filterwarnings("ignore:string or file could not be read:DeprecationWarning")
def test_a_text_that_is_not_of_its_numbers_is_refused(text, message, tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_text(f"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 3 2\nencoding: ascii\n\n{text}")
    with pytest.raises(SalusError, match=message):
        read_scan(path)


@pytest.mark.parametrize("encoding", ["gzip", "bzip2", "ascii"])
def test_a_file_that_takes_too_long_to_unpack_is_refused(encoding, monkeypatch, tmp_path):
    monkeypatch.setattr("salus.read.nrrd_data.MAX_SECONDS", 0.0)
    nrrd.write(str(tmp_path / "a.nrrd"), PIXELS, {"encoding": encoding})
    with pytest.raises(SalusError, match="save it as raw"):
        read_scan(tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"fields": "line skip: -1\n"}, "negative"),
        ({"fields": "byte skip: -2\n"}, "negative"),
        ({"fields": "line skip: 99999999\n"}, "lines to skip"),
        ({"fields": "byte skip: 9\n"}, "cut short"),
        ({"fields": "byte skip: 9\n", "encoding": "gzip"}, "cut short"),
        ({"fields": "byte skip: 99999999999\n", "encoding": "gzip", "inside": bytes(9)}, "cut short"),
        ({"fields": "line skip: many\n"}, "cannot be read"),
    ],
)
def test_what_cannot_be_skipped_is_refused(damage, message, tmp_path):
    with pytest.raises(SalusError, match=message):
        read_scan(write(tmp_path / "a.nrrd", **damage))


@pytest.mark.parametrize("skip", ["", "byte skip: -1\n"])
def test_a_large_file_costs_its_pixels_alone(skip, tmp_path):
    path = write(tmp_path / "a.nrrd", fields=skip)
    with path.open("r+b") as file:
        file.truncate(3 * 2**30)  # sparse: takes no room on the disk
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    assert open_frames(path).scan(5).shape == (30, 40)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
@pytest.mark.parametrize("skip", ["", "byte skip: -1\n", "byte skip: 99999999999\n"])
def test_a_packed_bomb_is_refused_before_it_fills_the_memory(encoding, skip, monkeypatch, tmp_path):
    monkeypatch.setattr("salus.read.nrrd_data.MAX_INFLATED", 2**22)
    path = write(tmp_path / "a.nrrd", encoding=encoding, fields=skip, inside=bytes(2**25))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if skip:
        with pytest.raises(SalusError, match="damaged"):
            read_scan(path)
    else:
        read_scan(path)  # the pixels alone are unpacked
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000
