"""Files that are made to take long or much memory end in a line within 5 s and 1 GB, measured in a process apart."""

import json
import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless
from tests.read.wrap import wrap_dicom

from salus.errors import SalusError
from salus.read.frames import open_frames
from salus.read.limits import MAX_DEFLATED

pytestmark = pytest.mark.slow

SECONDS, BYTES = 5, 10**9

READ = """
import json, resource, sys
from salus.errors import SalusError
from salus.read.frames import open_frames

def used():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    with open("/proc/self/status") as status:  # this process alone: ru_maxrss may be that of the one that started it
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return sum(u.ru_utime + u.ru_stime for u in usages), max(peak, usages[1].ru_maxrss) * 1024

for path in sys.argv[1:]:
    start, said = used()[0], None
    try:
        frames = open_frames(path)
        frames.scan(frames.count)
    except SalusError as error:
        said = str(error)
    seconds, memory = used()
    print(json.dumps([seconds - start, memory, said]))
"""


def read(*paths):
    """Read the last frame of each file in one process; return what was said, after checking the limits of each.

    Time is that of the processor, because the machine may be busy.
    """
    done = subprocess.run([sys.executable, "-c", READ, *map(str, paths)], capture_output=True, timeout=120, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(paths)
    for seconds, memory, said in answers:
        assert seconds < SECONDS, said
        assert memory < BYTES, said
    return [said for _, _, said in answers]


def element(group, number, kind, content, length=None):
    """An attribute in explicit little endian; `length` replaces that of the content."""
    size = len(content) if length is None else length
    head = group.to_bytes(2, "little") + number.to_bytes(2, "little") + kind
    is_long = kind in (b"SQ", b"UN", b"OB", b"OW")
    return head + (b"\0\0" + size.to_bytes(4, "little") if is_long else size.to_bytes(2, "little")) + content


ITEM, ITEM_END, SEQUENCE_END = (bytes.fromhex(text) for text in ("feff00e0", "feff0de000000000", "feffdde000000000"))
EMPTY_ITEM, OPEN_ITEM = ITEM + bytes(4), ITEM + b"\xff" * 4
UNDEFINED = 0xFFFFFFFF
MANY = 300_000
REGIONS = (0x0018, 0x6011)

BOMBS = {
    "empty items": element(*REGIONS, b"SQ", EMPTY_ITEM * MANY + SEQUENCE_END, UNDEFINED),
    "empty items of a stated length": element(*REGIONS, b"SQ", EMPTY_ITEM * MANY),
    "items of undefined length": element(*REGIONS, b"SQ", (OPEN_ITEM + ITEM_END) * MANY + SEQUENCE_END, UNDEFINED),
    "attributes": b"".join(element(0x0019, 0x1000 + n % 0xEFFF, b"LO", b"") for n in range(MANY)),
    "attributes of an item": element(
        *REGIONS, b"SQ", OPEN_ITEM + element(0x0018, 0x6012, b"US", b"") * MANY + ITEM_END + SEQUENCE_END, UNDEFINED
    ),
    "an unknown sequence": element(0x0019, 0x1010, b"UN", EMPTY_ITEM * MANY + SEQUENCE_END, UNDEFINED),
    "sequences within": element(*REGIONS, b"SQ", OPEN_ITEM, UNDEFINED) * 100_000,
}


def end_of_meta(content):
    return 144 + int.from_bytes(content[140:144], "little")


def deflate(head, body):
    """Return a file whose data set is packed, with the transfer syntax of one."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    plain, longer = b"1.2.840.10008.1.2.1\0", DeflatedExplicitVRLittleEndian.encode()
    place = head.index(plain)
    head = head[: place - 2] + len(longer).to_bytes(2, "little") + longer + head[place + len(plain) :]
    group = head.index(b"\x02\0\0\0UL\x04\0") + 8
    size = int.from_bytes(head[group : group + 4], "little") + len(longer) - len(plain)
    head = head[:group] + size.to_bytes(4, "little") + head[group + 4 :]
    return head + deflater.compress(body) + deflater.flush()


def test_headers_of_many_attributes(tmp_path):
    content = wrap_dicom(tmp_path / "a.dcm", np.zeros((40, 64), np.uint8)).read_bytes()
    start = end_of_meta(content)
    at = content.index(b"\x28\0\x02\0US")  # group 0028
    paths = []
    for name, bomb in BOMBS.items():
        paths.append(tmp_path / f"{name}.dcm")
        paths[-1].write_bytes(content[:at] + bomb + content[at:])
    for name in ("empty items", "attributes"):
        paths.append(tmp_path / f"{name} deflated.dcm")
        paths[-1].write_bytes(deflate(content[:start], content[start:at] + BOMBS[name] + content[at:]))
    for path, said in zip(paths, read(*paths), strict=True):
        assert said is not None, path
        assert said.startswith(f"{path}: ")
        assert "more attributes" in said or "RecursionError" in said, said


def test_a_deflated_file_that_unpacks_to_much(tmp_path):
    path = wrap_dicom(tmp_path / "a.dcm", np.zeros((40, 64), np.uint8))
    content = path.read_bytes()
    start = end_of_meta(content)
    path.write_bytes(deflate(content[:start], content[start:] + bytes(MAX_DEFLATED)))
    assert path.stat().st_size < 10**6
    assert "unpacks to more" in read(path)[0]


def replace_stream(path, stream):
    """Put another stream into a DICOM file of one frame, as its only piece."""
    content = path.read_bytes()
    at = content.rindex(ITEM, 0, content.rindex(SEQUENCE_END))
    stream += b"\0" * (len(stream) % 2)
    path.write_bytes(content[:at] + ITEM + len(stream).to_bytes(4, "little") + stream + SEQUENCE_END)


def test_streams_that_are_cut(tmp_path):
    """A decoder of JPEG-LS may read on beyond a stream's end for many seconds, or stop there: refused either way."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400), np.uint8)
    paths = []
    for syntax, share in ((JPEGLSLossless, 0.3), (JPEG2000Lossless, 0.3), (JPEG2000Lossless, 0.7)):
        path = wrap_dicom(tmp_path / f"{len(paths)}.dcm", noise, syntax=syntax)
        content = path.read_bytes()
        at = content.rindex(ITEM, 0, content.rindex(SEQUENCE_END))
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        replace_stream(path, content[at + 8 : at + 8 + int(length * share)])
        paths.append(path)
    assert "damaged" in read(*paths)[0]


def test_pixel_data_in_many_pieces(tmp_path):
    path = wrap_dicom(tmp_path / "a.dcm", np.zeros((40, 64), np.uint8), syntax=JPEGLSLossless)
    content = path.read_bytes()
    at = content.index(ITEM, content.index(b"\xe0\x7f\x10\0OB"))
    path.write_bytes(content[:at] + EMPTY_ITEM * 1_000_000 + SEQUENCE_END)
    assert "pieces" in read(path)[0]


def test_a_run_goes_on_after_a_stream_that_takes_too_long(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (2, 600, 600), np.uint8)
    path = wrap_dicom(tmp_path / "a.dcm", noise, syntax=JPEGLSLossless)
    frames = open_frames(path)
    monkeypatch.setattr("salus.read.decode_process.MAX_SECONDS", 0.001)
    with pytest.raises(SalusError, match=f"{path.name}: takes more than"):
        frames.scan(1)
    monkeypatch.undo()
    for number in (2, 1, 2):
        np.testing.assert_allclose(frames.scan(number).pixels * 255, noise[number - 1], atol=1e-4)


def run_beside_decoder(tmp_path, code):
    """Run code in a process of its own, where `frames` has a frame of 99 and `child` is the process that decoded it."""
    path = wrap_dicom(tmp_path / "a.dcm", np.full((40, 64), 99, np.uint8), syntax=JPEGLSLossless)
    start = (
        "import os, signal, sys, time; from pathlib import Path; from threading import Timer\n"
        "from salus.read import decode_process; from salus.read.frames import open_frames\n"
        "frames = open_frames(sys.argv[1]); frames.scan(1)\n"
        "texts = [file.read_text() for file in Path('/proc/self/task').glob('*/children')]\n"
        "(child,) = {int(pid) for text in texts for pid in text.split()}\n"
    )
    command = [sys.executable, "-c", start + code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="processes are listed otherwise here")
def test_a_busy_machine_costs_no_file(tmp_path):
    """The processor's time counts, not the clock: the process is held up for longer than a frame may take."""
    held_up = (
        "decode_process.MAX_SECONDS = 0.5\n"
        "os.kill(child, signal.SIGSTOP); Timer(1.5, os.kill, (child, signal.SIGCONT)).start()\n"
        "print(frames.scan(1).pixels.mean() * 255)"
    )
    assert float(run_beside_decoder(tmp_path, held_up)) == pytest.approx(99)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="processes are listed otherwise here")
def test_a_process_that_the_system_ended_costs_no_file(tmp_path):
    ended = "os.kill(child, signal.SIGKILL); time.sleep(0.5); print(frames.scan(1).pixels.mean() * 255)"
    assert float(run_beside_decoder(tmp_path, ended)) == pytest.approx(99)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="processes are listed otherwise here")
def test_the_process_that_decodes_is_kept_and_ends_with_its_caller(tmp_path):
    path = wrap_dicom(tmp_path / "a.dcm", np.zeros((3, 40, 64), np.uint8), syntax=JPEGLSLossless)
    code = (
        "import sys; from pathlib import Path; from salus.read.frames import open_frames\n"
        "frames = open_frames(sys.argv[1])\n"
        "for n in (1, 2, 3): frames.scan(n)\n"
        "print(*Path('/proc/self/task').glob('*/children').__next__().read_text().split())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    (child,) = done.stdout.split()
    assert not os.path.exists(f"/proc/{child}")
