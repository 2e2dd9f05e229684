"""Prompts in an open image: the outline is the library's; nothing is kept before it is saved, then the prompts too."""

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")

from fastapi.testclient import TestClient
from tests.read.wrap import wrap_dicom
from tests.segmentation.test_segmenter import write_network
from tests.serve.conftest import BASE_URL, png_of, upload

from salus import Segmenter
from salus.serve.app import create_app
from salus.serve.settings import ServeSettings

LEFT, RIGHT = [8, 20, 20, 32], [40, 20, 52, 32]
"""Boxes x0, y0, x1, y1 of the two dark squares of `image`."""


@pytest.fixture
def client(pointed):
    with TestClient(create_app(ServeSettings(), pointed), base_url=BASE_URL) as client:
        yield client


def open_image(client, content):
    key = upload(client, content).json()["key"]
    frame = f"/v1/cases/{key}/frames/1"
    assert client.get(frame).json()["lesions"] == []
    return frame


def point(client, frame, *prompts, **query):
    return client.post(f"{frame}/prompt", json={"prompts": prompts}, params=query)


def picture(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_each_prompt_adds_to_those_before_and_gives_the_outline_of_the_library(client, pointed, image):
    frame = open_image(client, png_of(image))
    prompts = [{"box": LEFT}, {"points": [[46, 26]]}, {"not_points": [[14, 26]]}, {"scribble": [[42, 22], [50, 30]]}]
    session = pointed.open(image)
    steps = [
        session.box(*LEFT),
        session.click(46, 26),
        session.click(14, 26, inside=False),
        session.scribble([(42, 22), (50, 30)]),
    ]
    for count, expected in enumerate(steps, start=1):
        answer = point(client, frame, *prompts[:count]).json()
        np.testing.assert_array_equal(picture(answer["mask"]) > 0, expected.mask)
        np.testing.assert_allclose(picture(answer["probability"]) / 255, expected.probability, atol=0.51 / 255)
        assert [lesion["box"] for lesion in answer["lesions"]] == [list(lesion.box) for lesion in expected.lesions]
    assert client.get(frame).json()["lesions"] == []  # nothing is kept


def test_boxes_in_many_images_at_the_same_time_each_give_their_own_outline(client, image):
    shifted = [np.roll(image, (shift, -shift), (0, 1)) for shift in range(8)]
    frames = [open_image(client, png_of(values)) for values in shifted]
    boxes = [[40 - i, 20 + i, 52 - i, 32 + i] for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda job: point(client, job[0], {"box": job[1]}).json(), zip(frames, boxes, strict=True))
        )
    for answer, (x0, y0, x1, y1) in zip(answers, boxes, strict=True):
        assert [lesion["box"] for lesion in answer["lesions"]] == [[y0, x0, y1 - y0, x1 - x0]]


def test_a_threshold_is_applied_to_the_probability_for_the_prompts(client, image):
    frame = open_image(client, png_of(image))
    areas = [point(client, frame, {"points": [[14, 26]]}, threshold=t).json() for t in (0.55, 0.9)]
    assert areas[0]["lesions"][0]["area_px"] > areas[1]["lesions"][0]["area_px"] > 0
    assert [answer["threshold"] for answer in areas] == [0.55, 0.9]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"prompts": [{"points": [[64, 3]]}]}, "outside the image of 64 x 64"),
        ({"prompts": [{"points": [[1, 1]]}, {"map": "/etc/passwd"}]}, "prompt 2: has the key 'map'"),
        ({"prompts": [{"box": [1, 1, 1, 9]}]}, "upper left"),
        ({"prompts": [{"scribble": [[1, 1]] * 1500}] * 2}, "3,000 places"),
        ({"prompts": [{}]}, "empty prompt"),
        ({"prompts": []}, "at least 1 item"),
        ({"prompts": 7}, "valid list"),
        ({}, "Field required"),
    ],
)
def test_what_is_no_prompt_is_refused(client, image, body, part):
    refused = client.post(f"{open_image(client, png_of(image))}/prompt", json=body)
    assert refused.status_code == 422
    assert part in refused.text
    assert "/tmp" not in refused.text


def test_a_frame_that_is_not_there_and_a_network_without_prompts_are_refused(client, tmp_path, image):
    frame = open_image(client, png_of(image))
    assert point(client, frame.replace("frames/1", "frames/2"), {"box": LEFT}).status_code == 404
    plain = Segmenter(write_network(tmp_path / "dark.onnx"))
    with TestClient(create_app(ServeSettings(), plain), base_url=BASE_URL) as other:
        assert [server.get("/v1/info").json()["prompts"] for server in (client, other)] == [True, False]
        key = upload(other, png_of(image)).json()["key"]
        refused = point(other, f"/v1/cases/{key}/frames/1", {"box": LEFT})
    assert refused.status_code == 422
    assert "takes no prompts" in refused.json()["detail"]


def test_a_full_queue_refuses_a_prompt_as_it_refuses_an_image(pointed, image):
    with TestClient(create_app(ServeSettings(queue_size=1), pointed), base_url=BASE_URL) as client:
        frame = open_image(client, png_of(image))
        with client.app.app.app.state.server.queue.admit():
            refused = point(client, frame, {"box": LEFT})
        assert (refused.status_code, "retry-after" in refused.headers) == (429, True)
        assert point(client, frame, {"box": LEFT}).status_code == 200


def test_the_prompts_stay_with_the_saved_outline_in_lesions_json_the_audit_log_and_dicom(client, image, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    path = wrap_dicom(tmp_path / "a.dcm", image)
    frame = open_image(client, path.read_bytes())
    prompts = [{"box": RIGHT}, {"not_points": [[14, 26]]}]
    mask = base64.b64decode(point(client, frame, *prompts).json()["mask"])
    saved = client.put(f"{frame}/mask", content=mask, params={"prompts": json.dumps(prompts)}).json()
    assert (saved["origin"], saved["prompts"]) == ("corrected", prompts)
    case = frame.removesuffix("/frames/1")
    [entry] = client.get(f"{case}/lesions.json").json()["images"]
    assert (entry["prompts"], entry["origin"]) == (prompts, "corrected")
    seg = pydicom.dcmread(io.BytesIO(client.get(f"{case}/seg.dcm").content))
    assert {segment.SegmentAlgorithmType for segment in seg.SegmentSequence} == {"SEMIAUTOMATIC"}
