"""An archive in Parquet shards: the numbers of the local_records command, each input once, whatever dies."""

import os
import signal
import threading
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import ray_workers
from tests.read.wrap import wrap_dicom
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main

pytest.importorskip("pyarrow", reason='needs pip install "salus[ray]"')
from pyarrow.parquet import ParquetFile, read_table

from salus.errors import SalusError
from salus.pipeline.archive.inputs import list_inputs, read_inputs, write_inputs
from salus.pipeline.archive.shard import make_shard, segment_inputs
from salus.pipeline.archive.store import Store
from salus.segmentation.segmenter import Segmenter


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A network, and twelve images in scans/, one of them damaged."""
    root = tmp_path_factory.mktemp("archive")
    write_network(root / "dark.onnx")
    (root / "scans").mkdir()
    for i in range(11):
        box = (10 + i, 50 + i, 30, 90) if i % 4 else (0, 0, 0, 0)
        Image.fromarray(image_of(box, shape=(100, 128))).save(root / "scans" / f"{i:02}.png")
    (root / "scans" / "bad.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((100, 128), np.uint8)).save(root / "scans" / "03_mask.png")
    return root


def rows(out):
    return [row for path in sorted((out / "shards").glob("*.parquet")) for row in read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def local_records(workspace):
    """What the local_records command makes of the same images: rows of lesions.json by image, and the folder."""
    import json

    network = ["--network", str(workspace / "dark.onnx")]
    assert main(["segment", str(workspace / "scans"), "-o", str(workspace / "local"), *network]) == 3
    return {r["image"]: r for r in json.loads((workspace / "local" / "lesions.json").read_text())["images"]}


def assert_equal_to_local_run(found_rows, workspace, local_records):
    assert sorted(row["image"] for row in found_rows) == sorted(local_records)  # each once: nothing lost, nothing twice
    for row in found_rows:
        expected = local_records[row["image"]]
        assert {k: v for k, v in row.items() if k not in ("mask", "seconds", "lesions")} == {
            k: v for k, v in expected.items() if k not in ("name", "seconds", "lesions")
        }
        assert row["lesions"] == expected["lesions"]
        mask = workspace / "local" / "masks" / f"{Path(row['image']).stem}.png"
        assert row["mask"] == (mask.read_bytes() if mask.exists() else None)


def test_killed_with_9_and_yet_each_input_once(workspace, local_records, two_workers, capsys):
    out, killed = workspace / "killed", []

    def kill() -> None:
        while not killed:
            time.sleep(0.02)
            if len(list(out.glob("shards/*.parquet"))) >= 1:
                for pid in ray_workers("MapWorker")[:1]:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(len(list(out.glob("shards/*.parquet"))))

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    command = [
        "segment",
        str(workspace / "scans"),
        "-o",
        str(out),
        "--network",
        str(workspace / "dark.onnx"),
        "--engine",
        "ray",
    ]
    command += ["--address", two_workers, "--shard-size", "1"]
    assert main(command) == 3
    killer.join(5)
    assert killed
    assert killed[0] < 12
    message = capsys.readouterr()
    assert "12 inputs in 12 shards: 8 with a tumour, 3 without, 1 failed" in message.out
    assert_equal_to_local_run(rows(out), workspace, local_records)
    assert not list(out.rglob("*.part*"))

    # Begun anew where shards are missing: those alone are made; without --resume it is refused.
    before = {path: path.stat().st_mtime_ns for path in out.glob("shards/*")}
    gone = [out / "shards" / f"{i:08}.parquet" for i in (2, 7)]
    for path in gone:
        path.unlink()
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*command, "--resume", "--threshold", "0.4"]) == 2
    assert "another threshold" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 3
    assert "10 shards kept" in capsys.readouterr().out
    after = {path: path.stat().st_mtime_ns for path in out.glob("shards/*")}
    assert {p: t for p, t in after.items() if p not in gone} == {p: t for p, t in before.items() if p not in gone}
    assert_equal_to_local_run(rows(out), workspace, local_records)


def test_a_shard_of_an_object_store(workspace, local_records):
    """URLs are read and written alike; here the store is memory."""
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in (workspace / "scans").iterdir():
        memory.pipe_file(f"/ward/{path.name}", path.read_bytes())
    store = Store("memory://results")
    said = []
    images = list_inputs(["memory://ward", "memory://ward/0*.png", "memory://ward/none.png"], on_warning=said.append)
    assert write_inputs(store, images, 5) == (13, 3)  # the mask left out and said, none twice
    assert any("_mask.png was left out" in line for line in said)
    assert read_inputs(store, 0)[0] == "memory:///ward/00.png"
    segmenter = Segmenter(workspace / "dark.onnx", threads=1)
    counts = sum((make_shard(store, shard, segmenter) for shard in range(3)), Counter())
    assert counts == {"tumour": 8, "no tumour found": 3, "failed": 2}
    assert store.names("shards") == {f"{i:08}.parquet" for i in range(3)}
    assert make_shard(store, 0, segmenter) == Counter()  # there already
    found_rows = [r for i in range(3) for r in read_table(BytesIO(store.read(f"shards/{i:08}.parquet"))).to_pylist()]
    for row in found_rows:
        expected = local_records.get(str(workspace / "scans" / row["image"].rpartition("/")[2]))
        if expected and not row["error"]:
            assert (row["result"], row["sha256"], row["lesions"]) == (
                expected["result"],
                expected["sha256"],
                expected["lesions"],
            )
    errors = {row["image"]: row["error"] for row in found_rows if row["error"]}
    assert set(errors) == {"memory:///ward/bad.png", "memory://ward/none.png"}
    assert "memory:///ward/bad.png: " in errors["memory:///ward/bad.png"]
    assert "no such file" in errors["memory://ward/none.png"]


def test_links_and_names_that_are_no_utf8_are_inputs_of_their_own(workspace, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    odd = Path(os.fsdecode(os.fsencode(scans) + b"/\xff.png"))
    odd.write_bytes((workspace / "scans" / "01.png").read_bytes())
    for name in ("one.png", "two.png"):
        (scans / name).symlink_to(odd)
    store = Store(str(tmp_path / "out"))
    assert write_inputs(store, list_inputs([str(scans), str(scans / "one.png")], str(tmp_path / "out")), 9) == (3, 1)
    assert sorted(read_inputs(store, 0)) == sorted(map(str, (odd, scans / "one.png", scans / "two.png")))
    assert make_shard(store, 0, Segmenter(workspace / "dark.onnx", threads=1)) == Counter({"tumour": 3})
    made = rows(tmp_path / "out")
    assert {row["image"] for row in made} == {f"{scans}/{name}" for name in ("\\udcff.png", "one.png", "two.png")}
    assert len({row["mask"] for row in made}) == 1


def test_frames_that_cannot_be_read_are_one_row(workspace, tmp_path, monkeypatch):
    pytest.importorskip("pydicom")
    from salus.read.dicom import DicomFrames

    def fail(frames, number):
        raise SalusError(f"{frames.source}: frame {number} is damaged")

    wrap_dicom(tmp_path / "cine.dcm", np.zeros((100, 20, 30), np.uint8))
    monkeypatch.setattr(DicomFrames, "scan", fail)
    (row,) = segment_inputs([str(tmp_path / "cine.dcm")], Segmenter(workspace / "dark.onnx", threads=1))
    assert "the same of frames 1 to 100, 80 of which were not tried" in row["error"]


def test_a_full_schema_also_where_nothing_is_found(workspace, tmp_path):
    store = Store(str(tmp_path))
    write_inputs(store, iter([str(workspace / "scans" / "00.png")]), 10)
    make_shard(store, 0, Segmenter(workspace / "dark.onnx", threads=1))
    file = ParquetFile(tmp_path / "shards" / "00000000.parquet")
    assert "lesions.list.element.area" in [column.path for column in file.schema]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engine", "ray", "--preview"), "--preview: not with --engine ray"),
        (("--engine", "ray", "--shard-size", "0"), "give 1 or more"),
        (("--shard-size", "9"), "go with --engine ray"),
        (("--address", "a:1"), "go with --engine ray"),
    ],
)
def test_what_does_not_go_together(arguments, message, workspace, tmp_path, capsys):
    assert main(["segment", str(workspace / "scans"), "-o", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_engine_and_runtime_are_apart(workspace, tmp_path, capsys):
    command = ["segment", str(workspace / "scans" / "01.png"), "--network", str(workspace / "dark.onnx")]
    with pytest.raises(SystemExit):
        main([*command, "-o", str(tmp_path / "a"), "--engine", "onnxruntime"])
    assert "give --runtime onnxruntime" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "b"), "--runtime", "onnxruntime"]) == 0
    assert '"engine": "onnxruntime"' in (tmp_path / "b" / "journal.jsonl").read_text()
