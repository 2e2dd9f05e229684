"""Pages of TIFF files and frames of animations are read as Pillow and tifffile read them; TIFF tags are applied."""

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from salus import read_scan
from salus.errors import SalusError
from salus.read.frames import open_frames
from salus.read.image import image_size, read_values

PAGES = [np.roll((np.indices((40, 64)).sum(axis=0) * 2).astype(np.uint8), 5 * i, axis=1) for i in range(12)]


def animation(path: Path, **options) -> Path:
    images = [Image.fromarray(page) for page in PAGES]
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


@pytest.mark.parametrize(
    ("suffix", "options", "seconds"),
    [
        ("gif", {"duration": 40}, 0.04),
        ("webp", {"duration": 40, "lossless": True}, 0.04),
        ("png", {"duration": 40}, 0.04),
        ("tif", {}, None),
        ("tif", {"compression": "tiff_lzw"}, None),
    ],
)
def test_frames_are_read_in_any_order(suffix, options, seconds, tmp_path):
    opened = open_frames(animation(tmp_path / f"a.{suffix}", **options))
    assert opened.count == 12
    if seconds:
        assert opened.seconds == pytest.approx(seconds)
    for number in (1, 12, 3, 2, 11, 1, 7):
        scan = opened.scan(number)
        assert scan.frame == number
        np.testing.assert_allclose(scan.pixels * 255, PAGES[number - 1], atol=1)
    with pytest.raises(SalusError, match="no frame 13"):
        opened.scan(13)
    np.testing.assert_allclose(read_scan(opened.source).pixels * 255, PAGES[0], atol=1)


@pytest.mark.parametrize("order", [(1, 2, 3), (2, 3, 1), (3, 1, 2)])
def test_a_gif_whose_frames_have_palettes_of_their_own_is_read(order, tmp_path):
    pages = [np.random.default_rng(i).integers(0, 256, (30, 40)).astype(np.uint8) for i in range(3)]
    images = [Image.fromarray(page) for page in pages]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    opened = open_frames(tmp_path / "a.gif")
    for number in order:
        np.testing.assert_allclose(opened.scan(number).pixels * 255, pages[number - 1], atol=1e-3)


def test_a_picture_of_one_frame_has_no_number(tmp_path):
    for name in ("a.gif", "a.webp", "a.tif", "a.png", "a.jp2"):
        Image.fromarray(PAGES[0]).save(tmp_path / name)
        opened = open_frames(tmp_path / name)
        assert (opened.count, opened.scan(1).frame) == (1, None)
        assert image_size(tmp_path / name) == (40, 64)


def test_thumbnails_and_masks_of_a_tiff_are_no_pages(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(PAGES[0], subfiletype=0)
        file.write(PAGES[0][::4, ::4], subfiletype=1)
        file.write(PAGES[0] > 9, subfiletype=4, photometric="mask")
        file.write(PAGES[1], subfiletype=2)
    opened = open_frames(path)
    assert opened.count == 2
    np.testing.assert_allclose(opened.scan(2).pixels * 255, PAGES[1], atol=1e-4)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("dtype", ["u1", ">u1", "<u2", ">u2"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_unsigned_grey_of_a_tiff(dtype, photometric, compression, tmp_path):
    path = tmp_path / "a.tif"
    white = np.iinfo(np.dtype(dtype)).max
    stored = PAGES[3].astype(int) * (white // 255)
    stored = white - stored if photometric == "miniswhite" else stored
    order = ">" if dtype[0] == ">" else "<"
    tifffile.imwrite(
        path, stored.astype(np.dtype(dtype)), photometric=photometric, compression=compression, byteorder=order
    )
    values = tifffile.imread(path)
    meant = (white - values if photometric == "miniswhite" else values).astype(float)
    expected = meant / (255 if white == 255 else meant.max())
    np.testing.assert_allclose(read_scan(path).pixels, expected, atol=1e-6)


def test_signed_bytes_of_a_tiff(tmp_path):
    path = tmp_path / "a.tif"
    stored = (PAGES[0].astype(int) - 128).astype(np.int8)
    tifffile.imwrite(path, stored)
    np.testing.assert_array_equal(tifffile.imread(path), stored)
    np.testing.assert_array_equal(read_values(path), stored)
    np.testing.assert_allclose(read_scan(path).pixels * 255, PAGES[0], atol=1e-4)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32, np.float32])
def test_wide_values_of_a_tiff_are_stretched(dtype, tmp_path):
    path = tmp_path / "a.tif"
    scale = 2**24 if dtype == np.uint32 else 100
    stored = (PAGES[0].astype(np.float64) * scale - (5000 if np.dtype(dtype).kind != "u" else 0)).astype(dtype)
    tifffile.imwrite(path, stored)
    values = tifffile.imread(path).astype(np.float64)
    low = min(values.min(), 0)
    np.testing.assert_allclose(read_scan(path).pixels, (values - low) / (values.max() - low), atol=1e-5)


@pytest.mark.parametrize("depth", [255, 65535])
def test_a_palette_of_8_or_16_bits_of_a_tiff(depth, tmp_path):
    rising = np.linspace(0, depth, 256).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", PAGES[0], photometric="palette", colormap=np.stack([rising[::-1]] * 3))
    np.testing.assert_allclose(read_scan(tmp_path / "a.tif").pixels, 1 - PAGES[0] / 255, atol=1e-3)


def test_a_kind_of_tiff_that_is_not_read_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES[0].astype(np.float64))
    with pytest.raises(SalusError, match="kind of TIFF"):
        read_scan(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.float32, np.uint32])
def test_what_is_white_must_be_known(dtype, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES[0].astype(dtype), photometric="miniswhite")
    with pytest.raises(SalusError, match=r"a\.tif"):
        read_scan(tmp_path / "a.tif")


def test_an_animation_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("salus.read.pages.MAX_ANIMATION", 10_000)
    with pytest.raises(SalusError, match="12 frames"):
        open_frames(animation(tmp_path / "a.gif"))


def test_a_progressive_jpeg_of_many_scans_is_refused(tmp_path):
    """Each scan of a progressive file is a pass over all pixels: 2,000 in some kilobytes would take minutes."""
    path = tmp_path / "a.jpg"
    content = io.BytesIO()
    Image.new("L", (4000, 4000)).save(content, "JPEG", progressive=True)
    data = content.getvalue()
    at = data.rfind(b"\xff\xda")
    path.write_bytes(data[:at] + data[at:-2] * 200 + data[-2:])
    start = time.process_time()
    with pytest.raises(SalusError, match="too many scans"):
        read_scan(path)
    assert time.process_time() - start < 1


def test_a_jpeg_2000_file_that_is_cut_is_refused(tmp_path):
    path = tmp_path / "a.jp2"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)).save(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(SalusError, match=r"a\.jp2"):
        read_scan(path)


@pytest.mark.parametrize("number", [0, 2])
def test_a_single_image_has_no_other_frame(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (8, 6)).save(path)
    with pytest.raises(SalusError, match=f"has no frame {number}; it holds 1"):
        open_frames(path).scan(number)
