"""Prompts in a request give the library's numbers; a network without them, and a damaged prompt, refuse in one line."""

import json
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("onnx")

from fastapi.testclient import TestClient
from tests.segmentation.test_segmenter import write_network
from tests.serve.conftest import BASE_URL, png_of

from salus import Segmenter
from salus.serve.app import create_app
from salus.serve.settings import ServeSettings


@pytest.fixture
def client(pointed):
    with TestClient(create_app(ServeSettings(), pointed), base_url=BASE_URL) as client:
        yield client


def ask(client, image, prompt=None, heat_map=None):
    files = {"file": ("a.png", png_of(image))}
    if heat_map is not None:
        files["prompt_map"] = ("b.png", heat_map)
    data = {} if prompt is None else {"prompt": prompt if isinstance(prompt, str) else json.dumps(prompt)}
    return client.post("/v1/segment", files=files, data=data)


def test_a_prompt_gives_the_same_numbers_as_from_the_library(client, pointed, image):
    prompt = {"points": [[46, 26]], "not_points": [[14, 26]], "box": [38, 18, 54, 34], "scribble": [[42, 22], [50, 30]]}
    answer = ask(client, image, prompt).json()
    expected = pointed(image, **prompt)
    assert answer["lesions"] == json.loads(json.dumps([asdict(lesion) for lesion in expected.lesions]))
    assert [lesion["box"] for lesion in answer["lesions"]] == [[20, 40, 12, 12]]
    for nothing in (None, "", " "):
        assert ask(client, image, nothing).json()["lesions"] == []


def test_a_heat_map_is_uploaded_beside_the_image(client, image):
    heat = np.zeros((64, 64), np.uint8)
    heat[18:34, 5:22] = 255
    answer = ask(client, image, heat_map=png_of(heat)).json()
    assert [lesion["box"] for lesion in answer["lesions"]] == [[20, 8, 12, 12]]
    jet = np.dstack([heat, heat // 2, heat])
    for wrong, part in ((png_of(heat[:9]), "64 x 9"), (b"no image", "not an image"), (png_of(jet), "in colours")):
        refused = ask(client, image, heat_map=wrong)
        assert refused.status_code == 422
        assert part in refused.json()["detail"]
        assert "/tmp" not in refused.json()["detail"]


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("7", "holds no prompt"),
        ({}, "empty prompt"),
        ({"points": [[64, 3]]}, "outside the image of 64 x 64"),
        ({"points": [[1, None]]}, "give 2 numbers"),
        ('{"points": [[NaN, 1]]}', "give 2 numbers"),
        ({"map": "/etc/passwd"}, "has the key 'map'"),
        ({"scribble": [[1, 1]] * 3000}, "2,000 at most"),
    ],
)
def test_what_is_no_prompt_is_refused_in_one_line(client, image, prompt, part):
    refused = ask(client, image, prompt)
    assert refused.status_code == 422
    assert part in refused.json()["detail"]


def test_a_network_without_prompts_says_that_it_takes_none(tmp_path, image):
    plain = Segmenter(write_network(tmp_path / "dark.onnx"))
    with TestClient(create_app(ServeSettings(), plain), base_url=BASE_URL) as client:
        refused = ask(client, image, {"points": [[14, 26]]})
    assert refused.status_code == 422
    assert "takes no prompts" in refused.json()["detail"]
