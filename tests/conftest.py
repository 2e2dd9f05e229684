"""What tests share: the laboratory's backend, the real data where they are, small data sets made on the spot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `salus.lab.training.backend.use_backend` does
if "PYTEST_XDIST_WORKER" in os.environ:  # workers that each use all cores hinder one another
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

SLOWEST = (
    "tests/lab/benchmark/test_ray_tasks.py",
    "tests/lab/segmentation/test_ray_tasks.py",
    "tests/lab/benchmark/test_run.py",
    "tests/lab/saliency/test_regions.py",
    "tests/lab/training/test_backend.py",
    "tests/lab",
    "tests/test_site.py",
    "tests/test_docs.py",
    "tests/pipeline/archive",
    "tests/serve",
)
"""What takes longest, in the order in which the workers begin it, so that neither works alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""

    def rank(item: pytest.Item) -> int:
        return next((n for n, path in enumerate(SLOWEST) if item.nodeid.startswith(path)), len(SLOWEST))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that SALUS_DATA names."""
    if not os.environ.get("SALUS_DATA"):
        pytest.skip("SALUS_DATA does not point to the real data sets")
    return Path(os.environ["SALUS_DATA"])


@pytest.fixture(scope="session")
def reference(real_data: Path) -> Path:
    """The parity data beside the real data sets."""
    folder = real_data.parent / "reference" / "keras"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A data set of 12 small images in the published layout: a dark disc on noise, masks 0/255 and 0/1 in turn."""
    return make_published(tmp_path / "data", 12)


def make_published(root: Path, n: int, size: tuple[int, int] = (40, 48)) -> Path:
    """Write n images with a dark disc on noise and their masks."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for i in range(n):
        centre = rng.uniform(0.3, 0.7, 2) * size
        mask = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < rng.uniform(5, 12) ** 2
        image = np.clip(rng.normal(150, 40, size) - 110 * mask, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(root / "images" / f"{i:03}.png")
        Image.fromarray((mask * (255 if i % 2 else 1)).astype(np.uint8)).save(root / "masks" / f"{i:03}.png")
    return root


@pytest.fixture(scope="module")
def two_workers() -> Iterator[str]:
    """The address of a Ray cluster of two workers with a core each, both on this machine."""
    pytest.importorskip("ray", reason='needs Ray: pip install "salus[ray]"')
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        cluster.add_node(**small)
        yield cluster.address
    finally:
        cluster.shutdown()


def ray_workers(doing: str) -> list[int]:
    """Process ids of Ray's workers that do a task now, of clusters that this very process started."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")

    def is_ours(pid: int) -> bool:
        while pid > 1 and pid != os.getpid():
            pid = parents.get(pid, 0)
        return pid == os.getpid()

    return [pid for pid, name in names.items() if name.startswith(f"ray::{doing}") and is_ours(pid)]
