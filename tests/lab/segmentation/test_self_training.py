"""Self-training: what the teacher outlines, which images it is sure of, and what a training makes of them."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image
from tests.lab.segmentation.small_training import SMALL, discs, tiny_net

from salus.data.layouts import read_data_set
from salus.data.phantom.make import write_phantoms
from salus.errors import SalusError
from salus.evaluation.training_images import training_warnings
from salus.lab.segmentation.config import NETWORK, TrainingConfig, load_config
from salus.lab.segmentation.run import resume, start
from salus.lab.segmentation.self_training import PSEUDO_MASKS, add_unlabelled, count_repetitions, outline_images
from salus.lab.segmentation.train import train_segmenter
from salus.lab.training.unlabelled import read_unlabelled


def silent(line):
    pass


def dark_is_lesion(size=32):
    """A network that calls dark pixels lesion: of a grey image it is unsure."""
    image = keras.Input((size, size, 1), name="image")
    smooth = keras.layers.AveragePooling2D(3, strides=1, padding="same")(image)
    probability = keras.layers.Lambda(lambda x: keras.ops.sigmoid((0.33 - x) * 40), name="probability")(smooth)
    saliency = keras.layers.AveragePooling2D(4, name="saliency")(probability)
    presence = keras.layers.GlobalMaxPooling2D(name="presence")(probability)
    return keras.Model(image, {"probability": probability, "saliency": saliency, "presence": presence})


def test_the_teacher_outlines_at_the_images_size_and_says_how_sure_it_is():
    images, masks = discs(4)
    images[3] = 92  # flat and darkish: each pixel is lesion with a probability of .2
    outlines, confidence = outline_images(dark_is_lesion(), images)
    assert outlines.shape == images.shape
    for mask, outline in zip(masks[:3], outlines[:3], strict=True):
        assert 2 * (mask & outline).sum() / (mask.sum() + outline.sum()) > 0.85
    assert confidence[:3].min() > 0.8
    assert confidence[3] < 0.5


def test_images_of_which_the_teacher_is_sure_join_the_others(tmp_path):
    images, masks = discs(30)
    unlabelled, _ = discs(5, seed=1)
    unlabelled[2] = 92
    sure = [0, 1, 3, 4]
    lines = []
    x, y = add_unlabelled(images, masks, unlabelled, dark_is_lesion(), tmp_path, lines.append)
    assert "4 of 5" in lines[0]
    assert count_repetitions(30, 4) == 2  # 8 of 38 are nearer to a quarter than 4 of 34 or 12 of 42
    np.testing.assert_array_equal(x, np.concatenate([images, unlabelled[sure], unlabelled[sure]]))
    outlines, _ = outline_images(dark_is_lesion(), unlabelled[sure])
    np.testing.assert_array_equal(y, np.concatenate([masks, outlines, outlines]))
    # a resumed training learns from the same outlines, whatever its teacher says now
    again = add_unlabelled(images, masks, unlabelled, tiny_net(32, None, 0.0), tmp_path, silent)
    np.testing.assert_array_equal(again[1], y)


def test_without_a_sure_outline_nothing_is_added(tmp_path):
    images, masks = discs(3)
    x, y = add_unlabelled(images, masks, np.full((2, 64, 64), 92, np.uint8), dark_is_lesion(), tmp_path, silent)
    assert (len(x), len(y)) == (3, 3)


def test_a_network_with_prompts_gets_its_own_answer_back():
    """One that lowers what the map repeats: the second answer is the mirror of the first, their mean one half."""
    image = keras.Input((32, 32, 1), name="image")
    prompt = keras.Input((32, 32, 1), name="prompt")
    probability = keras.layers.Lambda(
        lambda x: keras.ops.where(x[1] > 0, 1 - x[1], x[0]), output_shape=(32, 32, 1), name="probability"
    )([image, prompt])
    saliency = keras.layers.AveragePooling2D(4, name="saliency")(probability)
    presence = keras.layers.GlobalMaxPooling2D(name="presence")(probability)
    outputs = {"probability": probability, "saliency": saliency, "presence": presence}
    model = keras.Model({"image": image, "prompt": prompt}, outputs)
    images = np.random.default_rng(0).integers(1, 256, (2, 32, 32)).astype(np.uint8)
    outlines, confidence = outline_images(model, images)
    assert outlines.all()
    np.testing.assert_allclose(confidence, 2 * 0.5 / 1.5, atol=1e-3)  # of a map that is one half everywhere


@pytest.mark.slow
def test_a_training_learns_from_images_without_masks(tmp_path, monkeypatch):
    """The weights differ from those without such images, and come out the same after an interruption."""
    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    monkeypatch.setattr("salus.lab.segmentation.self_training.LEAST_EXPECTED_DICE", 0.0)
    images, masks = discs(12)
    recipe = replace(SMALL, early_steps=2, early_size=32)

    def train(name, unlabelled):
        return train_segmenter(images, masks, recipe, tmp_path / name, silent, unlabelled=unlabelled).get_weights()

    unlabelled, _ = discs(4, seed=1)
    alone, together = train("alone", None), train("together", unlabelled)
    assert any(np.abs(one - other).max() > 1e-6 for one, other in zip(alone, together, strict=True))
    assert not (tmp_path / "alone" / PSEUDO_MASKS).exists()
    (tmp_path / "together" / "weights.weights.h5").unlink()
    for one, other in zip(together, train("together", unlabelled), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_run_names_the_images_without_masks(tmp_path, monkeypatch):
    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    write_phantoms(tmp_path / "set", 6, seed=5)
    write_phantoms(tmp_path / "other", 4, seed=9)
    config = TrainingConfig(
        (str(tmp_path / "set"),),
        "tiny",
        folds=3,
        recipe=replace(SMALL, early_steps=1, early_size=32, steps=1),
        unlabelled=(str(tmp_path / "other" / "images"),),
    )
    lines = []
    start(tmp_path / "run", config, lines.append)
    assert any("4 images without a mask" in line for line in lines)
    assert "other 4 images without masks (sha256" in (tmp_path / "run" / "card.md").read_text()
    assert load_config(tmp_path / "run")[0] == config
    warnings = training_warnings(tmp_path / "run" / NETWORK, read_data_set(tmp_path / "other").cases)
    assert "tiny was trained on 4 of these 4 images" in warnings[0]
    next((tmp_path / "other" / "images").iterdir()).unlink()
    with pytest.raises(SalusError, match="the data have changed"):
        resume(tmp_path / "run", silent)


def test_a_run_without_a_teacher_is_refused(tmp_path):
    with pytest.raises(SalusError, match="--unlabelled needs"):
        start(tmp_path / "run", TrainingConfig(("set",), recipe=SMALL, unlabelled=("other",)), silent)


@pytest.mark.slow
def test_copies_of_labelled_images_and_unusable_folders(tmp_path):
    write_phantoms(tmp_path / "set", 6, seed=5)
    write_phantoms(tmp_path / "other", 4, seed=9)
    first = sorted((tmp_path / "set" / "images").iterdir())[0]
    copy = Image.open(first)
    copy.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "other" / "images" / "copy.png")
    known = np.stack([np.asarray(Image.open(p).convert("L").resize((64, 64))) for p in sorted(first.parent.iterdir())])
    lines = []
    folder = str(tmp_path / "other" / "images")
    unlabelled = read_unlabelled([folder], known, keep_aspect=False, log=lines.append)
    assert unlabelled.images.shape == (4, 64, 64)
    assert [case.image.name for case in unlabelled.cases["other"]].count("copy.png") == 0
    assert "1 left out, as they show the scan of a labelled image" in lines[-1]
    with pytest.raises(SalusError, match="every image has a mask"):
        read_unlabelled([str(tmp_path / "set")], known, keep_aspect=False)
    with pytest.raises(SalusError, match="rename one"):
        read_unlabelled([folder, folder], known, keep_aspect=False, log=silent)
    (tmp_path / "other" / "images" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(SalusError, match="--skip-bad"):
        read_unlabelled([folder], known, keep_aspect=False, log=silent)
    lines.clear()
    assert len(read_unlabelled([folder], known, keep_aspect=False, skip_bad=True, log=lines.append).images) == 4
    assert any("broken.png" in line and line.startswith("left out") for line in lines)
