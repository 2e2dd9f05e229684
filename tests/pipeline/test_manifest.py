"""The manifest of a run, report.json."""

import json

from salus.pipeline.manifest import build_manifest
from salus.segmentation.network import NetworkSettings
from salus.segmentation.result import FOUND, NONE
from salus.write.tables import FAILED, Record


def test_the_manifest_counts_results_and_names_failures_versions_and_settings():
    class Stub:
        settings = NetworkSettings("net", 64)

    records = [
        Record("a.png", "a", FOUND, sha256="0f"),
        Record("b.png", "b", NONE),
        Record("c,\n.png", "c", FAILED, "c.png: no such file"),
    ]
    content = json.loads(json.dumps(build_manifest(Stub(), {"threshold": 0.4}, records, {"seconds": 1.0})))
    assert content["results"] == {FOUND: 1, NONE: 1, FAILED: 1}
    assert content["failures"] == [{"image": "c,\n.png", "error": "c.png: no such file"}]
    assert content["images"][0]["sha256"] == "0f"
    assert content["network"]["name"] == "net"
    assert (content["settings"], content["timing"]) == ({"threshold": 0.4}, {"seconds": 1.0})
    assert set(content["versions"]) >= {"python", "numpy", "openvino"}
