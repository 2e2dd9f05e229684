"""`salus mcp` as a process, spoken to by the protocol's own client over standard input and output."""

import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mcp_types", reason="the extra mcp is not installed")
pytest.importorskip("onnx")

import anyio
from mcp import Client, StdioServerParameters, stdio_client
from tests.read.wrap import region, wrap_dicom
from tests.segmentation.test_segmenter import write_network

import salus

MASK = np.zeros((64, 64), bool)
MASK[20:44, 12:40] = True


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("mcp")
    write_network(root / "dark.onnx")
    for folder in ("scans", "masks", "truth/images", "truth/masks", "secret"):
        (root / folder).mkdir(parents=True)
    pixels = np.where(MASK, 15, 220).astype(np.uint8)
    for number in range(2):
        for folder in ("scans", "truth/images", "secret"):
            Image.fromarray(pixels).save(root / folder / f"{number}.png")
        Image.fromarray(MASK.astype(np.uint8) * 255).save(root / "truth/masks" / f"{number}.png")
    half = MASK.copy()
    half[32:] = False
    for number, mask in enumerate((MASK, half)):
        Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / f"{number}.png")
    wrap_dicom(root / "scans" / "calibrated.dcm", pixels, regions=[region(0, 0, 64, 64)])
    (root / "linked").mkdir()
    (root / "linked" / "0.png").symlink_to(root / "secret" / "0.png")
    (root / "manifest").mkdir()
    (root / "manifest" / "manifest.csv").write_text("image,mask\n../secret/0.png,../truth/masks/0.png\n")
    return root


@asynccontextmanager
async def connected(places, *options):
    folders = [str(places / name) for name in ("scans", "masks", "truth", "linked", "manifest")]
    arguments = ["-m", "salus", "mcp", *folders, "--network", str(places / "dark.onnx"), *options]
    async with Client(stdio_client(StdioServerParameters(command=sys.executable, args=arguments))) as client:
        yield client


def talk(places, conversation, *options):
    async def run():
        async with connected(places, *options) as client:
            return await conversation(client)

    return anyio.run(run)


async def call(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    (content,) = result.content
    if result.is_error:
        return content.text
    assert json.loads(content.text) == result.structured_content
    return result.structured_content


@pytest.mark.slow
def test_a_client_lists_segments_measures_and_evaluates(places, tmp_path):
    async def conversation(client):
        progress = []

        async def on_progress(done, total, message):
            progress.append((done, total))

        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        outcome = {"tools": tools, "instructions": client.instructions, "progress": progress}
        for name, tool, arguments in [
            ("listed", "list_images", {"folder": str(places / "scans")}),
            ("png", "segment_image", {"image": "0.png"}),
            ("dicom", "segment_image", {"image": "calibrated.dcm"}),
            ("measured", "measure", {"image": "calibrated.dcm", "mask": str(places / "masks" / "0.png")}),
            ("scores", "evaluate", {"predictions": str(places / "masks"), "truth": str(places / "truth")}),
        ]:
            outcome[name] = await call(client, tool, **arguments)
        arguments = {"inputs": [str(places / "scans")], "output_folder": "run", "outputs": ["png", "json"]}
        answer = await client.call_tool("segment_files", arguments, progress_callback=on_progress)
        outcome["run"] = answer.structured_content
        outcome["again"] = await call(client, "segment_files", **arguments)
        return outcome

    result = talk(places, conversation, "-o", str(tmp_path / "out"))
    assert set(result["tools"]) == {"list_images", "segment_image", "segment_files", "measure", "evaluate"}
    assert all(tool.description for tool in result["tools"].values())
    assert "not a medical device" in result["instructions"]
    assert [Path(path).name for path in result["listed"]["images"]] == ["0.png", "1.png", "calibrated.dcm"]

    local = salus.Segmenter(places / "dark.onnx")
    for name, file in (("png", "0.png"), ("dicom", "calibrated.dcm")):
        expected = json.loads(json.dumps(local(places / "scans" / file).to_dict()))
        assert result[name] == expected | {"frames": 1}
    (drawn,) = result["measured"]["lesions"]
    assert (drawn["area_px"], drawn["unit"], drawn["box"]) == (24 * 28, "mm", [20, 12, 24, 28])
    (row, column) = result["measured"]["spacing"]
    assert drawn["area"] == pytest.approx(24 * 28 * row * column)

    first, second = 1.0, 2 * 12 / (12 + 24)  # Dice of the whole mask, and of its upper half
    assert result["scores"]["native"]["scores"]["dice"]["mean"] == pytest.approx((first + second) / 2)
    assert result["run"]["counts"] == {"tumour": 3}
    assert {path.name for path in (tmp_path / "out/run/masks").iterdir()} >= {"0.png", "1.png", "calibrated.png"}
    assert result["progress"][-1] == (3, 3)
    assert "overwrite" in result["again"] or "resume" in result["again"]


@pytest.mark.slow
def test_what_lies_elsewhere_is_refused_and_mistakes_are_told(places, tmp_path):
    attempts = [
        ("segment_image", {"image": str(places / "secret" / "0.png")}, "outside the folders"),
        ("segment_image", {"image": "../secret/0.png"}, "outside the folders"),
        ("segment_image", {"image": str(places / "linked" / "0.png")}, "outside the folders"),
        ("list_images", {"folder": str(places / "linked")}, "outside the folders"),
        ("measure", {"image": "0.png", "mask": "../secret/0.png"}, "outside the folders"),
        ("evaluate", {"predictions": str(places / "linked"), "truth": str(places / "truth")}, "outside the folders"),
        ("evaluate", {"predictions": str(places / "masks"), "truth": str(places / "manifest")}, "outside the folders"),
        ("segment_files", {"inputs": [str(places / "linked")], "output_folder": "x"}, "outside the folders"),
        ("segment_files", {"inputs": ["0.png"], "output_folder": str(places / "scans")}, "written inside"),
        ("segment_image", {"image": "absent.png"}, "absent.png: no such file"),
        ("segment_image", {"image": "0.png", "frame": 7}, "0.png"),
        ("segment_image", {"image": "0.png", "points": [[1, 1]]}, "takes no prompts"),
        ("measure", {"image": "0.png", "mask": str(places / "dark.onnx")}, "outside the folders"),
    ]

    async def conversation(client):
        return [await call(client, tool, **arguments) for tool, arguments, _ in attempts]

    for answer, (_, _, message) in zip(talk(places, conversation, "-o", str(tmp_path / "out")), attempts, strict=True):
        assert message in str(answer)


@pytest.mark.slow
def test_without_a_folder_of_results_nothing_can_be_written(places):
    async def conversation(client):
        return {tool.name for tool in (await client.list_tools()).tools}

    assert talk(places, conversation) == {"list_images", "segment_image", "measure", "evaluate"}
