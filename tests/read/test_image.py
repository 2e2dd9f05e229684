"""Images and masks are read as Pillow and arithmetic say they must be; every kind of damaged file is refused."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from salus.errors import SalusError
from salus.read.frames import read_scan
from salus.read.image import image_size, may_hold_colour, read_mask, read_values
from salus.read.limits import MAX_PIXELS

GREY = np.random.default_rng(0).integers(0, 256, (12, 17), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (12, 17, 3), np.uint8)


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "PNG"])
def test_eight_bit_grey_is_divided_by_255(tmp_path: Path, suffix: str) -> None:
    scan = read_scan(save(Image.fromarray(GREY), tmp_path / f"a.{suffix}", format="png" if suffix == "PNG" else None))
    assert scan.pixels.dtype == np.float32
    assert scan.shape == GREY.shape
    np.testing.assert_allclose(scan.pixels * 255, GREY, atol=1e-4)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_colour_becomes_what_pillow_calls_luma(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(COLOUR).convert(mode)
    path = save(image, tmp_path / ("a.tif" if mode == "CMYK" else "a.png"))
    expected = np.asarray(image.convert("RGB").convert("L"), float)
    assert np.abs(read_scan(path).pixels * 255 - expected).max() <= 1


def test_transparency_is_dropped_not_blended(tmp_path: Path) -> None:
    alpha = np.dstack([COLOUR, np.zeros(GREY.shape, np.uint8)])
    pixels = read_scan(save(Image.fromarray(alpha), tmp_path / "a.png")).pixels
    np.testing.assert_array_equal(pixels, read_scan(save(Image.fromarray(COLOUR), tmp_path / "b.png")).pixels)
    grey = Image.merge("LA", (Image.fromarray(GREY), Image.new("L", (17, 12), 0)))
    np.testing.assert_allclose(read_scan(save(grey, tmp_path / "c.png")).pixels * 255, GREY, atol=1e-4)


def test_sixteen_bit_and_float_are_stretched_to_their_maximum(tmp_path: Path) -> None:
    wide = GREY.astype(np.uint16) * 16  # 12 bits in 16, as scanners write
    pixels = read_scan(save(Image.fromarray(wide), tmp_path / "a.png")).pixels
    np.testing.assert_allclose(pixels, wide / wide.max(), atol=1e-6)
    real = GREY.astype(np.float32) - 100
    pixels = read_scan(save(Image.fromarray(real), tmp_path / "a.tif")).pixels
    np.testing.assert_allclose(pixels, (real - real.min()) / (real.max() - real.min()), atol=1e-6)


def test_one_bit_images_and_jpeg_are_read(tmp_path: Path) -> None:
    bits = GREY > 99
    np.testing.assert_array_equal(read_scan(save(Image.fromarray(bits), tmp_path / "a.png")).pixels, bits)
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    pixels = read_scan(save(Image.fromarray(ramp), tmp_path / "a.jpg", quality=95)).pixels
    assert np.abs(pixels * 255 - ramp).max() < 6


def test_an_image_with_nan_is_refused(tmp_path: Path) -> None:
    broken = GREY.astype(np.float32)
    broken[3, 3] = np.nan
    with pytest.raises(SalusError, match=r"a\.tif.*not numbers"):
        read_scan(save(Image.fromarray(broken), tmp_path / "a.tif"))


@given(mask=arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))), high=st.integers(1, 255))
@settings(max_examples=30, deadline=None)
def test_a_mask_is_the_same_whatever_its_high_value(
    tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray, high: int
) -> None:
    folder = tmp_path_factory.mktemp("mask")
    assume(not mask.all())  # of a file that is lesion all over no value says so
    for name, image in {
        "grey.png": Image.fromarray(mask.astype(np.uint8) * high),
        "bit.png": Image.fromarray(mask),
        "wide.png": Image.fromarray(mask.astype(np.uint16) * high * 256),
        "colour.png": Image.fromarray(np.dstack([mask * 0, mask * high, mask * 0]).astype(np.uint8)),
    }.items():
        np.testing.assert_array_equal(read_mask(save(image, folder / name)), mask)


def test_a_palette_mask_is_read_by_its_colours(tmp_path: Path) -> None:
    mask = GREY > 127
    image = Image.new("P", mask.shape[::-1])
    image.putpalette([0, 0, 0, 9, 200, 9])
    image.putdata(mask.astype(int).ravel().tolist())
    np.testing.assert_array_equal(read_mask(save(image, tmp_path / "a.png")), mask)


def test_noise_of_a_jpeg_mask_is_no_lesion(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :64]
    disc = (y - 30) ** 2 + (x - 34) ** 2 < 15**2
    path = save(Image.fromarray(disc.astype(np.uint8) * 255), tmp_path / "a.jpg", quality=60)
    assert (np.asarray(Image.open(path))[~disc] > 0).any()  # there is noise to be ignored
    assert (read_mask(path) != disc).mean() < 0.005


def test_values_are_read_unchanged_without_alpha(tmp_path: Path) -> None:
    alpha = np.dstack([COLOUR, GREY])
    np.testing.assert_array_equal(read_values(save(Image.fromarray(alpha), tmp_path / "a.png")), COLOUR)
    np.testing.assert_array_equal(read_values(save(Image.fromarray(GREY), tmp_path / "b.png")), GREY)


def test_the_size_is_read_from_the_header_alone(tmp_path: Path) -> None:
    path = save(Image.fromarray(GREY), tmp_path / "a.png")
    assert image_size(path) == GREY.shape
    path.write_bytes(path.read_bytes()[:60])  # pixels gone
    assert image_size(path) == GREY.shape


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_read_upright_as_exif_says(tmp_path: Path, suffix: str, orientation: int) -> None:
    """Against the positions of row 0 and column 0 in the table of the Exif standard, field Orientation."""
    stored = GREY[:24, :36] // 2
    first_row, first_column = {
        1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
    }[orientation]  # fmt: skip
    upright = stored if first_row in ("top", "bottom") else stored.T
    upright = upright[::-1] if "bottom" in (first_row, first_column) else upright
    upright = upright[:, ::-1] if "right" in (first_row, first_column) else upright
    image = Image.fromarray(stored)
    exif = image.getexif()
    exif[0x0112] = orientation
    path = save(image, tmp_path / f"a.{suffix}", exif=exif, **({"quality": 100} if suffix == "jpg" else {}))
    np.testing.assert_allclose(read_values(path).astype(int), upright, atol=3)
    np.testing.assert_allclose(read_scan(path).pixels * 255, upright, atol=3)
    assert image_size(path) == upright.shape
    np.testing.assert_array_equal(read_mask(path, "half-max"), read_values(path) > read_values(path).max() / 2)


def png_header(width: int, height: int) -> bytes:
    """Make a PNG whose header states a size and that holds next to no pixels."""
    content = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = b""
    for kind, data in ((b"IHDR", content), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


def write_damaged(kind: str, folder: Path) -> Path:
    path = folder / ("a.jpg" if kind == "truncated jpeg" else "a.png")
    large = Image.fromarray(np.random.default_rng(2).integers(0, 256, (80, 90), np.uint8))
    if kind == "folder":
        path.mkdir()
    elif kind == "zero bytes":
        path.touch()
    elif kind == "text":
        path.write_text("no image")
    elif kind == "bomb":
        path.write_bytes(png_header(200_000, 200_000))
    elif kind == "above the limit":
        side = int(MAX_PIXELS**0.5) + 1
        path.write_bytes(png_header(side, side))
    elif kind == "flipped bytes":
        content = bytearray(save(large, path).read_bytes())
        content[400:600] = bytes(200)
        path.write_bytes(content)
    elif kind != "missing":
        large.save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize(
    "kind",
    [
        *("missing", "folder", "zero bytes", "text"),
        *("truncated png", "truncated jpeg", "flipped bytes", "bomb", "above the limit"),
    ],
)
@pytest.mark.parametrize("read", [read_scan, read_mask, read_values])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_damaged_file_is_an_error_of_one_line_that_names_it(tmp_path: Path, kind: str, read: object) -> None:
    path = write_damaged(kind, tmp_path)
    with pytest.raises(SalusError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = save(Image.fromarray(GREY), tmp_path / "a.png")
    path.chmod(0)
    with pytest.raises(SalusError, match="no permission"):
        read_scan(path)


@pytest.mark.parametrize("form", ["ICO", "EPS"])
def test_only_the_formats_that_are_named_are_decoded(tmp_path: Path, form: str) -> None:
    with pytest.raises(SalusError, match=r"a\.png: not an image that Salus reads"):
        read_scan(save(Image.fromarray(GREY), tmp_path / "a.png", format=form))


def test_a_mask_with_nan_is_refused(tmp_path: Path) -> None:
    broken = (GREY > 99).astype(np.float32)
    broken[3, 3] = np.nan
    with pytest.raises(SalusError, match=r"a\.tif.*not numbers"):
        read_mask(save(Image.fromarray(broken), tmp_path / "a.tif"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("read", [read_scan, read_mask, image_size, may_hold_colour])
def test_a_pipe_is_not_waited_for(tmp_path: Path, read: object) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(SalusError, match=r"a\.png: is no file"):
        read(tmp_path / "a.png")


def test_the_header_tells_whether_there_may_be_colour(tmp_path: Path) -> None:
    for image, may in ((GREY, False), (GREY.astype(np.uint16), False), (GREY > 99, False), (COLOUR, True)):
        assert may_hold_colour(save(Image.fromarray(image), tmp_path / "a.png")) is may
