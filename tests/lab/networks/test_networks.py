"""Every network passes the same tests: forward, backward, save and load, export, sizes, a wrong size."""

import keras
import numpy as np
import pytest

from salus.errors import SalusError
from salus.lab.networks.flops import flops
from salus.lab.networks.registry import NETWORKS, build_network, takes_saliency
from salus.lab.networks.store import CARD, ONNX, WEIGHTS, Card, load_network, save_network
from salus.lab.training.losses import dice_loss

SIZE = 32


def example(model: keras.Model, n: int = 2, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random((n, *x.shape[1:]), np.float32) for x in model.inputs]


def run(model: keras.Model, inputs: list[np.ndarray]) -> np.ndarray:
    return model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)


def averaging(layer: keras.layers.Layer) -> list[np.ndarray]:
    """Weights of a layer that averages its input: no ReLU dies, no sigmoid saturates."""
    kernel, bias = layer.get_weights()
    fan_in = kernel.shape[-1] if isinstance(layer, keras.layers.Conv2DTranspose) else np.prod(kernel.shape[:-1])
    return [np.full_like(kernel, 1 / fan_in), np.full_like(bias, 0.01)]


@pytest.fixture(params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> str:
    return request.param


class TestEveryNetwork:
    def test_forward_gives_a_probability_of_the_images_shape(self, network):
        model = build_network(network, SIZE)
        p = run(model, example(model))
        assert p.shape == (2, SIZE, SIZE, 1)
        assert p.dtype == np.float32
        assert ((p >= 0) & (p <= 1)).all()

    def test_backward_learns_one_image(self, network):
        keras.utils.set_random_seed(1)
        model = build_network(network, SIZE)
        inputs = example(model)
        truth = np.zeros((2, SIZE, SIZE, 1), np.float32)
        truth[:, 8:20, 10:24] = 1
        inputs[0] = inputs[0] * 0.2 + 0.7 * (1 - truth)
        model.compile(keras.optimizers.Adam(1e-3), loss=dice_loss, jit_compile=False)
        losses = [model.train_on_batch(inputs if len(inputs) > 1 else inputs[0], truth) for _ in range(40)]
        assert losses[-1] < 0.5 * losses[0]

    def test_every_weight_moves_the_output(self, network):
        model = build_network(network, SIZE)
        inputs = example(model)
        with_weights = [layer for layer in model.layers if layer.weights]
        for layer in with_weights:
            layer.set_weights(averaging(layer))
        before = run(model, inputs)
        for layer in with_weights:
            kept = layer.get_weights()
            layer.set_weights([w + 0.05 for w in kept])
            moved = run(model, inputs)
            layer.set_weights(kept)
            assert np.abs(moved - before).max() > 0, layer.name

    def test_save_load_and_onnx_agree(self, network, tmp_path):
        model = build_network(network, SIZE)
        inputs = example(model, 3)
        folder = tmp_path / "net"
        difference = save_network(model, Card(network, SIZE, 0.5, takes_saliency(model), "test"), folder)
        assert difference <= 1e-5
        card, again = load_network(folder)
        assert (card.network, card.size) == (network, SIZE)
        np.testing.assert_array_equal(run(model, inputs), run(again, inputs))

        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / ONNX))
        for n in (1, 3):  # dynamic batch
            given = {node.name: x[:n] for node, x in zip(session.get_inputs(), inputs, strict=True)}
            p = session.run(None, given)[0]
            assert np.abs(p - run(model, [x[:n] for x in inputs])).max() < 1e-5
        assert '"size": 32' in session.get_modelmeta().custom_metadata_map["salus"]

    @pytest.mark.parametrize("size", [16, 48])
    def test_other_sizes(self, network, size):
        model = build_network(network, size)
        assert run(model, example(model)).shape == (2, size, size, 1)

    def test_flops_grow_with_the_area(self, network):
        assert flops(build_network(network, 64)) == 4 * flops(build_network(network, 32))


@pytest.mark.parametrize(
    ("name", "parameters"), [("unet", 717_313), ("sa-unet", 1_912_517), ("sa-unet-mended", 1_912_517)]
)
def test_published_parameter_counts(name, parameters):
    assert build_network(name).count_params() == parameters


def test_published_arithmetic():
    pairs = {256: [(1, 32), (32, 32), (64, 32), (32, 32)], 128: [(32, 32), (32, 32), (64, 32), (32, 32)]}
    pairs |= {64: [(32, 64), (64, 64), (128, 64), (64, 64)], 32: [(64, 64), (64, 64), (128, 64), (64, 64)]}
    pairs |= {16: [(64, 128), (128, 128)]}
    threes = sum(2 * 9 * side**2 * i * o for side, layers in pairs.items() for i, o in layers)
    ups = sum(2 * 4 * side**2 * i * o for side, i, o in ((16, 128, 64), (32, 64, 64), (64, 64, 32), (128, 32, 32)))
    assert flops(build_network("unet")) == threes + ups + 2 * 256**2 * 32
    assert flops(build_network("sa-unet")) / 1e9 == pytest.approx(21.4, abs=0.05)


def test_released_attention_never_suppresses_and_the_figures_can():
    """The ReLU before the sigmoid keeps the released weights in [0.5, 1); the figure's form reaches below."""
    lowest = {}
    for form in ("sa-unet", "sa-unet-figure", "sa-unet-mended"):
        model = build_network(form, SIZE)
        last = "att1_one" if form == "sa-unet-figure" else "att1_repeat"
        layer = model.get_layer(last)
        layer.set_weights([w - 1 for w in layer.get_weights()])
        weights = run(keras.Model(model.inputs, layer.output), example(model))
        lowest[form] = weights.min()
        assert weights.max() < 1
    assert lowest["sa-unet"] >= 0.5
    assert lowest["sa-unet-figure"] < 0.5
    assert lowest["sa-unet-mended"] < 0.5


def test_own_network_joins_by_name(monkeypatch, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import keras\n"
        "def tiny(size=256):\n"
        "    x = keras.Input((size, size, 1))\n"
        "    return keras.Model(x, keras.layers.Conv2D(1, 3, padding='same', activation='sigmoid')(x))\n"
        "def number():\n    return 3\n"
        "def flat(size):\n"
        "    x = keras.Input((size, size, 1))\n"
        "    return keras.Model(x, keras.layers.Flatten()(x))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert build_network("mine:tiny", 48).output.shape == (None, 48, 48, 1)
    for name, part in [
        ("mine:number", "keras.Model"),
        ("mine:flat", "shapes"),
        ("mine:absent", "cannot be imported"),
        ("nothing:here", "cannot be imported"),
        ("resnet", "choose one of"),
    ]:
        with pytest.raises(SalusError, match=part):
            build_network(name, 48)


def test_a_changed_network_is_refused(tmp_path):
    folder = tmp_path / "net"
    model = build_network("unet", 16)
    save_network(model, Card("unet", 16, 0.5, False, "test"), folder)
    with pytest.raises(SalusError, match="not empty"):
        save_network(model, Card("unet", 16, 0.5, False, "test"), folder)
    model.load_weights(folder / WEIGHTS)
    damaged = bytearray((folder / WEIGHTS).read_bytes())
    damaged[-100] ^= 1
    (folder / WEIGHTS).write_bytes(damaged)
    with pytest.raises(SalusError, match="checksum"):
        load_network(folder)
    (folder / CARD).unlink()
    with pytest.raises(SalusError, match="not a Salus network"):
        load_network(folder)


def test_a_folder_does_not_say_what_code_is_run(tmp_path, monkeypatch):
    folder = tmp_path / "net"
    save_network(build_network("unet", 16), Card("unet", 16, 0.5, False, "test"), folder)
    (tmp_path / "strange.py").write_text("raise SystemExit('run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    card = folder / CARD
    card.write_text(card.read_text(encoding="utf-8").replace('"unet"', '"strange:net"'), encoding="utf-8")
    with pytest.raises(SalusError, match="not run"):
        load_network(folder)
