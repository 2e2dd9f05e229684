"""Hostile files: valid ones with bytes changed, cut, doubled and moved. Each ends in a result or in one line.

A few hundred cases in the tests; `make fuzz` runs 1,000 of each kind (SALUS_FUZZ says how many). Limits: 5 s, 1 GB.
"""

import gzip
import io
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main
from salus.errors import SalusError
from salus.read.frames import open_frames
from salus.scan import Scan

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, for damaged tags

CASES = int(os.environ.get("SALUS_FUZZ", "20"))
SECONDS, KILOBYTES = 5, 1_000_000


def _picture(kind, mode="L", **options):
    values = (np.indices((48, 64)).sum(axis=0) * 2).astype(np.uint8)
    image = Image.fromarray(values).convert(mode)
    if kind == "PNG16":
        image, kind = Image.fromarray(values.astype(np.uint16) * 200), "PNG"
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def _pages(kind):
    images = [Image.fromarray(np.roll(np.indices((48, 64)).sum(axis=0) * 2, 9 * i).astype(np.uint8)) for i in range(3)]
    content = io.BytesIO()
    images[0].save(content, kind, save_all=True, append_images=images[1:])
    return content.getvalue()


def _dicom(folder, frames=1, **options):
    from tests.read.wrap import wrap_dicom

    pixels = np.stack([np.roll(np.indices((48, 64)).sum(axis=0), i).astype(np.uint8) for i in range(frames)])
    path = wrap_dicom(folder / "seed.dcm", pixels, **options)
    return path.read_bytes()


def _nifti(folder, zipped):
    import nibabel

    path = folder / "seed.nii"
    nibabel.save(nibabel.Nifti1Image(np.arange(64 * 48, dtype=np.int16).reshape(64, 48, 1), np.eye(4)), path)
    return gzip.compress(path.read_bytes()) if zipped else path.read_bytes()


def _nrrd(folder):
    import nrrd

    nrrd.write(str(folder / "seed.nrrd"), np.arange(64 * 48, dtype=np.uint8).reshape(64, 48))
    return (folder / "seed.nrrd").read_bytes()


def _syntax(name):
    import pydicom.uid

    return getattr(pydicom.uid, name)


SEEDS = {
    "grey.png": lambda folder: _picture("PNG"),
    "wide.png": lambda folder: _picture("PNG16"),
    "palette.png": lambda folder: _picture("PNG", "P"),
    "colour.jpg": lambda folder: _picture("JPEG", "RGB"),
    "packed.tif": lambda folder: _picture("TIFF", "RGB", compression="tiff_lzw"),
    "plain.bmp": lambda folder: _picture("BMP"),
    "plain.gif": lambda folder: _picture("GIF"),
    "plain.webp": lambda folder: _picture("WEBP", "RGB"),
    "plain.jp2": lambda folder: _picture("JPEG2000"),
    "pages.tif": lambda folder: _pages("TIFF"),
    "cine.gif": lambda folder: _pages("GIF"),
    "cine.webp": lambda folder: _pages("WEBP"),
    "plain.dcm": lambda folder: _dicom(folder),
    "cine.dcm": lambda folder: _dicom(folder, 3),
    "rle.dcm": lambda folder: _dicom(folder, 2, syntax=_syntax("RLELossless")),
    "ls.dcm": lambda folder: _dicom(folder, syntax=_syntax("JPEGLSLossless")),
    "j2k.dcm": lambda folder: _dicom(folder, 2, syntax=_syntax("JPEG2000Lossless")),
    "scan.nii": lambda folder: _nifti(folder, False),
    "scan.nii.gz": lambda folder: _nifti(folder, True),
    "scan.nrrd": lambda folder: _nrrd(folder),
}

INTERESTING = [0, 1, 0x7F, 0x80, 0xFF]
change = st.one_of(
    st.tuples(st.just("set"), st.floats(0, 1), st.sampled_from(INTERESTING) | st.integers(0, 255)),
    st.tuples(st.just("word"), st.floats(0, 1), st.sampled_from([0, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFF, 0x80000000])),
    st.tuples(st.just("head"), st.integers(0, 400), st.integers(0, 255)),
    st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 64)),
    st.tuples(st.just("double"), st.floats(0, 1), st.integers(1, 512)),
    st.tuples(st.just("end"), st.floats(0, 1), st.just(0)),
)


def mutant(content, changes):
    """Bytes with some changes made; positions are shares of the length, but for "head", a byte's number."""
    data = bytearray(content)
    for what, where, value in changes:
        at = min(where, len(data) - 1) if what == "head" else int(where * max(len(data) - 1, 0))
        if not data:
            break
        if what in ("set", "head"):
            data[at] = value
        elif what == "word":
            data[at : at + 4] = value.to_bytes(4, "little")
        elif what == "cut":
            del data[at : at + value]
        elif what == "double":
            data[at:at] = data[at : at + value]
        else:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", SEEDS)
def test_the_seed_itself_is_read(name, tmp_path):
    (tmp_path / name).write_bytes(SEEDS[name](tmp_path))
    scan = open_frames(tmp_path / name).scan(1)
    assert scan.shape in ((48, 64), (64, 48))
    assert scan.pixels.std() > 0


def answer(path):
    """The error that a file is refused with; None where it is read."""
    try:
        frames = open_frames(path)
        for number in {1, frames.count}:
            scan = frames.scan(number)
            assert isinstance(scan, Scan)
            assert np.isfinite(scan.pixels).all()
            assert 0 <= scan.pixels.min() <= scan.pixels.max() <= 1
    except SalusError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", SEEDS)
def test_a_changed_file_is_read_or_refused(name, tmp_path_factory):
    path = tmp_path_factory.mktemp("mutants") / name
    seed = SEEDS[name](tmp_path_factory.mktemp("seeds"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=CASES,
        deadline=None,  # of the processor's time, below: the machine may be busy
        database=None,
        derandomize=CASES < 100,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(change, min_size=1, max_size=6))
    def holds(changes):
        path.write_bytes(mutant(seed, changes))
        at = time.process_time()
        said = answer(path)
        assert time.process_time() - at < SECONDS
        assert said is None or (name in said and "\n" not in said)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KILOBYTES

    holds()


def test_files_after_a_hostile_one_are_processed(tmp_path, capsys):
    network, scans, random = write_network(tmp_path / "dark.onnx"), tmp_path / "scans", np.random.default_rng(1)
    scans.mkdir()
    for number, (name, make) in enumerate(SEEDS.items()):
        data = bytearray(make(tmp_path))
        for at in random.integers(0, len(data), 12):
            data[at] = random.integers(256)
        (scans / f"{number:02}-{name}").write_bytes(data[: random.integers(len(data) // 2, len(data))])
        Image.fromarray(image_of((20, 60, 30, 90), shape=(100, 128))).save(scans / f"{number:02}-z.png")
    assert main(["segment", str(scans), "-o", str(tmp_path / "out"), "--network", str(network)]) in (0, 3)
    done = {Path(p).name for p in (tmp_path / "out" / "masks").iterdir()}
    assert {f"{number:02}-z.png" for number in range(len(SEEDS))} <= done
    assert "Traceback" not in capsys.readouterr().err
