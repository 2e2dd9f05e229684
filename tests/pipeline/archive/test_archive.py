"""An archive in Parquet shards: the numbers of the plain command, each input once, whatever dies."""

import csv
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
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main

pytest.importorskip("pyarrow", reason='needs pip install "salus[ray]"')
from pyarrow.parquet import ParquetFile, read_table

from salus.pipeline.archive.inputs import each_input, inputs_of, write_inputs
from salus.pipeline.archive.shard import make_shard
from salus.pipeline.archive.store import Store
from salus.segmentation.segmenter import Segmenter


@pytest.fixture(scope="module")
def place(tmp_path_factory):
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
def plain(place):
    """What the plain command makes of the same images: rows of lesions.json by image, and the folder."""
    import json

    network = ["--network", str(place / "dark.onnx")]
    assert main(["segment", str(place / "scans"), "-o", str(place / "plain"), *network]) == 3
    return {r["image"]: r for r in json.loads((place / "plain" / "lesions.json").read_text())["images"]}


def equals_plain(found, place, plain):
    assert sorted(row["image"] for row in found) == sorted(plain)  # each once: nothing lost, nothing twice
    for row in found:
        other = plain[row["image"]]
        assert {k: v for k, v in row.items() if k not in ("mask", "seconds", "lesions")} == {
            k: v for k, v in other.items() if k not in ("name", "seconds", "lesions")
        }
        assert row["lesions"] == other["lesions"]
        mask = place / "plain" / "masks" / f"{Path(row['image']).stem}.png"
        assert row["mask"] == (mask.read_bytes() if mask.exists() else None)


def test_killed_with_9_and_yet_each_input_once(place, plain, two_workers, capsys):
    out, killed = place / "killed", []

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
        str(place / "scans"),
        "-o",
        str(out),
        "--network",
        str(place / "dark.onnx"),
        "--engine",
        "ray",
    ]
    command += ["--address", two_workers, "--shard-size", "1"]
    assert main(command) == 3
    killer.join(5)
    assert killed
    assert killed[0] < 12
    said = capsys.readouterr()
    assert "12 inputs in 12 shards: 8 with a tumour, 3 without, 1 failed" in said.out
    equals_plain(rows(out), place, plain)
    assert not list(out.rglob("*.part"))

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
    equals_plain(rows(out), place, plain)


def test_a_shard_of_an_object_store(place, plain):
    """URLs are read and written alike; here the store is memory."""
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in (place / "scans").iterdir():
        memory.pipe_file(f"/ward/{path.name}", path.read_bytes())
    store = Store("memory://results")
    images = each_input(["memory://ward", "memory://ward/0*.png", "memory://ward/none.png"])
    assert write_inputs(store, images, 5) == (13, 3)  # the mask left out, none twice
    assert inputs_of(store, 0)[0] == "memory:///ward/00.png"
    segmenter = Segmenter(place / "dark.onnx", threads=1)
    counts = sum((make_shard(store, shard, segmenter) for shard in range(3)), Counter())
    assert counts == {"tumour": 8, "no tumour found": 3, "failed": 2}
    assert store.names("shards") == {f"{i:08}.parquet" for i in range(3)}
    assert make_shard(store, 0, segmenter) == Counter()  # there already
    found = [r for i in range(3) for r in read_table(BytesIO(store.read(f"shards/{i:08}.parquet"))).to_pylist()]
    for row in found:
        other = plain.get(str(place / "scans" / row["image"].rpartition("/")[2]))
        if other and not row["error"]:
            assert (row["result"], row["sha256"], row["lesions"]) == (
                other["result"],
                other["sha256"],
                other["lesions"],
            )
    errors = {row["image"]: row["error"] for row in found if row["error"]}
    assert set(errors) == {"memory:///ward/bad.png", "memory://ward/none.png"}
    assert "memory:///ward/bad.png: " in errors["memory:///ward/bad.png"]
    assert "no such file" in errors["memory://ward/none.png"]


def test_a_full_schema_also_where_nothing_is_found(place, tmp_path):
    store = Store(str(tmp_path))
    write_inputs(store, iter([str(place / "scans" / "00.png")]), 10)
    make_shard(store, 0, Segmenter(place / "dark.onnx", threads=1))
    file = ParquetFile(tmp_path / "shards" / "00000000.parquet")
    assert "lesions.list.element.area" in [column.path for column in file.schema]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "ray", "--preview"), "--preview: not with --engine ray"),
        (("--engine", "ray", "--shard-size", "0"), "give 1 or more"),
        (("--shard-size", "9"), "go with --engine ray"),
        (("--address", "a:1"), "go with --engine ray"),
    ],
)
def test_what_does_not_go_together(arguments, said, place, tmp_path, capsys):
    assert main(["segment", str(place / "scans"), "-o", str(tmp_path / "out"), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_engine_still_takes_the_name_of_a_runtime(place, tmp_path):
    command = ["segment", str(place / "scans" / "01.png"), "--network", str(place / "dark.onnx")]
    for name, option in (("a", "--engine"), ("b", "--runtime")):
        assert main([*command, "-o", str(tmp_path / name), option, "onnxruntime"]) == 0
    tables = [list(csv.DictReader((tmp_path / name / "lesions.csv").open())) for name in "ab"]
    assert tables[0] == tables[1]
    assert '"engine": "onnxruntime"' in (tmp_path / "a" / "journal.jsonl").read_text()
