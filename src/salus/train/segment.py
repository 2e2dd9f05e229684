"""Train the network that `salus segment` uses, and write it as one ONNX file with its settings inside.

Training survives `kill -9`: the whole state is written every `KEPT` steps, and what a step sees depends on the seed and
its number alone, so that a resumed training is the unbroken one.
"""

from __future__ import annotations

import json
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.data.prepare import resize, to_bytes
from salus.errors import SalusError
from salus.train.augment import STRONG, Augmentation, augment
from salus.train.augment_lesion import cover_lesion, paste_lesion
from salus.train.run import write_by_rename

if TYPE_CHECKING:
    import keras

Log = Callable[[str], None]

KEPT = 100
"""Steps between two states on disk."""

PARITY = 1e-4
"""Largest difference allowed between the network's probabilities and its ONNX file's."""

EXPORTED = ("probability", "saliency", "presence", "strangeness")
KNOWN = 99.5
"""Per cent of the training images that lie within the limit of strangeness."""

EARLY_SEED = 1000
"""What is added to the seed of a first training, so that the second does not repeat its batches."""

WINDOW = (0.4, 0.85)
"""Sides of a window that is cut beside the tumour, as shares of the image's."""


@dataclass(frozen=True)
class SegmentRecipe:
    """How the network is trained.

    Attributes:
        steps: of the optimiser at most.
        early_steps: steps at most of a first training at a smaller size, where a step costs less; what it reaches is
            where the training proper starts (Howard 2018 calls it progressive resizing). 0 leaves it out.
        early_size: height and width of the images there.
        early_rate: the learning rate there.
        passes: over the training images at most; small sets take fewer steps.
        batch: images a step.
        learning_rate: of AdamW at its height; it rises over the first tenth and falls as a cosine.
        decay: AdamW's weight decay.
        average: share of the old in the running mean of the weights, which is what is kept.
        free_share: part of the images that show no tumour, in equal parts: normal images where there are such, windows
            cut beside tumours, and images whose tumour is covered with tissue.
        pasted: part of the images with a tumour where it was pasted in from another image; into a tumour-free image in
            half of them.
        dropout: of the deepest features of the outline's decoder.
        attention: whether saliency weighs the features.
        folded: the encoder without batch norm; with it, training takes twice as long, and the network cannot be
            exported.
        augmentation: what is done to every image.
        weights: of the losses of outline, saliency and presence.
        size: height and width of the network's input.
        pretrained: start both encoders from their ImageNet weights.
        seed: of weights, order and augmentation.
    """

    steps: int = 1500
    early_steps: int = 3000
    early_size: int = 160
    early_rate: float = 6e-4
    passes: int = 60
    batch: int = 16
    learning_rate: float = 3e-4
    decay: float = 1e-3
    average: float = 0.99
    free_share: float = 0.3
    pasted: float = 0.2
    dropout: float = 0.2
    attention: bool = True
    folded: bool = True
    augmentation: Augmentation = STRONG
    weights: dict[str, float] = field(default_factory=lambda: {"probability": 1.0, "saliency": 0.5, "presence": 0.2})
    size: int = 256
    pretrained: bool = True
    seed: int = 1


def train_segmenter(
    images: np.ndarray,
    masks: np.ndarray,
    recipe: SegmentRecipe,
    folder: Path,
    log: Log = print,
    start_from: Path | None = None,
) -> keras.Model:
    """Train, resuming where an earlier call with the same folder was cut off.

    Args:
        images: (n, s, s) uint8, s the recipe's size.
        masks: (n, s, s) bool; images without a tumour belong among them.
        recipe: the settings.
        folder: gets the state while it trains, and weights.weights.h5.
        log: called with a line of progress every hundred steps.
        start_from: an .onnx file of the same network to begin with, in place of ImageNet's weights.

    Raises:
        SalusError: the images have another size, no mask shows a tumour, or the loss is no number.
    """
    import keras

    from salus.networks.efficientnet_lite import IMAGENET
    from salus.networks.segment_net import segment_net
    from salus.train.backend import build_optimizer, compiles, set_up
    from salus.train.objective import saliency_loss
    from salus.train.onnx_weights import load_noted

    if images.shape[1:] != (recipe.size, recipe.size):
        raise SalusError(f"images are {images.shape[1:]}, the recipe's size is {recipe.size}; prepare them at that")
    if not masks.any():
        raise SalusError("no mask shows a tumour; there is nothing to learn")
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / "weights.weights.h5"
    first = None if final.exists() else _train_small(images, masks, recipe, folder, log, start_from)
    keras.utils.clear_session()
    set_up(recipe.seed, "float32")  # depthwise convolutions are slower in bfloat16
    encoder = IMAGENET if recipe.pretrained and start_from is None and first is None else None
    model = segment_net(recipe.size, encoder, recipe.dropout, recipe.attention, recipe.folded)
    if final.exists():
        model.load_weights(final)
        return model
    if first is not None:
        model.set_weights(first)
    elif start_from is not None:
        load_noted(model, start_from)
    steps = max(1, min(recipe.steps, recipe.passes * len(images) // recipe.batch))
    warm = max(1, steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20, max(1, steps - warm), warmup_target=recipe.learning_rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=recipe.decay, clipnorm=1.0, use_ema=True, ema_momentum=recipe.average
    )
    loss = {"probability": saliency_loss, "saliency": saliency_loss, "presence": "binary_crossentropy"}
    model.compile(
        optimizer,
        loss={**loss, "features": None},
        loss_weights={**recipe.weights, "features": 0.0},
        jit_compile=compiles(),
    )
    build_optimizer(model)
    done = _restore(model, folder)
    if done:
        log(f"  resumes after step {done}")
    began, losses = time.monotonic(), []
    for step, (x, y) in enumerate(_batches(images, masks, recipe, done, steps), done + 1):
        found = model.train_on_batch(x, y, return_dict=True)
        losses.append(float(found["loss"]))
        if not np.isfinite(losses[-1]):
            raise SalusError(f"the loss is no number at step {step}; lower the learning rate")
        if step % KEPT == 0 or step == steps:
            spent = (time.monotonic() - began) / (step - done)
            log(f"  step {step}/{steps}  loss {np.mean(losses[-KEPT:]):.4f}  {spent * (steps - step):.0f} s left")
            write_by_rename(_state(folder, step), model.save_weights)
            _state(folder, step - KEPT).unlink(missing_ok=True)
    optimizer.finalize_variable_values(model.trainable_variables)
    write_by_rename(final, model.save_weights)
    for path in folder.glob("step-*.weights.h5"):
        path.unlink()
    return model


def _train_small(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentRecipe, folder: Path, log: Log, start_from: Path | None
) -> list[np.ndarray] | None:
    """The weights that the first training, at a smaller size, ends with; None where the recipe has none."""
    if not recipe.early_steps:
        return None
    small = replace(
        recipe,
        steps=recipe.early_steps,
        size=recipe.early_size,
        learning_rate=recipe.early_rate,
        early_steps=0,
        seed=recipe.seed + EARLY_SEED,
    )
    shape = (small.size, small.size)
    log(f"  first at {small.size} x {small.size}")
    fewer = np.stack([to_bytes(resize(image / np.float32(255), shape)) for image in images])
    shares = np.stack([resize(mask.astype(np.float32), shape) for mask in masks])
    weights: list[np.ndarray] = train_segmenter(
        fewer, shares >= 0.5, small, folder / "early", log, start_from
    ).get_weights()
    log(f"  then at {recipe.size} x {recipe.size}")
    return weights


def _state(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.weights.h5"


def _restore(model: keras.Model, folder: Path) -> int:
    """Load the newest state (weights, optimiser, running mean, dropout); the steps that are done."""
    import keras

    states = sorted(folder.glob("step-*.weights.h5"))
    if not states:
        return 0
    model.load_weights(states[-1])
    done = int(states[-1].name[5:11])
    for layer in model._flatten_layers():  # Keras saves no state of dropout: how often each has drawn
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            seed, drawn = np.asarray(layer.seed_generator.state)
            layer.seed_generator.state.assign(np.array([seed, drawn + done]))
    return done


def _batches(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentRecipe, done: int, steps: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Augmented batches of the steps that are left, each from (seed, step), made while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(
            pool.submit(make_batch, images, masks, recipe, step) for step in range(done, min(done + 3, steps))
        )
        for step in range(done, steps):
            made = waiting.popleft().result()
            if step + 3 < steps:
                waiting.append(pool.submit(make_batch, images, masks, recipe, step + 3))
            yield made


def make_batch(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentRecipe, step: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One batch: images (b, s, s, 1) float32 in [0, 1] and the truth of each output.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        recipe: the settings.
        step: which; the same step gives the same batch.
    """
    rng = np.random.default_rng((recipe.seed, step))
    lesion = masks.any(axis=(1, 2))
    with_tumour, free = np.flatnonzero(lesion), np.flatnonzero(~lesion)
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    for _ in range(recipe.batch):
        if rng.random() < recipe.free_share:
            image, mask = draw_free(images, masks, with_tumour, free, rng)
        else:
            image, mask = draw_lesion(images, masks, with_tumour, free, recipe.pasted, rng)
        x_one, y_one = augment(image, mask, rng, recipe.augmentation)
        x.append(x_one)
        y.append(y_one)
    truth = np.stack(y)
    side = recipe.size // 4
    share = truth.reshape(len(y), side, 4, side, 4).mean(axis=(2, 4), dtype=np.float32)
    return np.stack(x)[..., None].astype(np.float32) / 255, {
        "probability": truth[..., None].astype(np.float32),
        "saliency": share[..., None],
        "presence": truth.reshape(len(y), -1).max(axis=1, keepdims=True).astype(np.float32),
    }


def draw_free(
    images: np.ndarray, masks: np.ndarray, with_tumour: np.ndarray, free: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An image (s, s) uint8 without a tumour, found or made, and its mask; one with a tumour where none can be had."""
    kind = rng.random() * 3
    i = int(rng.choice(with_tumour))
    made = None
    if kind < 1:
        made = cut_beside(images, masks, with_tumour, rng)
    elif kind < 2:
        donors = [i, *rng.choice(len(images), 3)]  # its own tissue looks best, but few have enough of it
        tried = (cover_lesion(images[i], masks[i], images[j], masks[j], rng) for j in donors)
        made = next((one for one in tried if one is not None), None)
    if made is None and len(free):
        i = int(rng.choice(free))
    return (images[i], masks[i]) if made is None else made


def draw_lesion(
    images: np.ndarray,
    masks: np.ndarray,
    with_tumour: np.ndarray,
    free: np.ndarray,
    pasted: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """An image (s, s) uint8 with a tumour, its own or a pasted one, and its mask."""
    i = int(rng.choice(with_tumour))
    if rng.random() >= pasted:
        return images[i], masks[i]
    ground = int(rng.choice(free)) if len(free) and rng.random() < 0.5 else int(rng.choice(with_tumour))
    made = paste_lesion(images[ground], masks[ground], images[i], masks[i], rng)
    return (images[i], masks[i]) if made is None else made


def cut_beside(
    images: np.ndarray, masks: np.ndarray, chosen: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """A window beside the tumour of some image, enlarged to the whole: tissue without a tumour, from any scanner.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        chosen: places of images that show a tumour.
        rng: the source of every choice.

    Returns:
        (s, s) uint8 and an empty mask; None where no window was found in ten tries.
    """
    side = images.shape[1]
    for _ in range(10):
        i = int(rng.choice(chosen))
        h, w = np.rint(rng.uniform(*WINDOW, 2) * side).astype(int).tolist()
        top, left = int(rng.integers(side - h + 1)), int(rng.integers(side - w + 1))
        if not masks[i, top : top + h, left : left + w].any():
            window = resize(images[i, top : top + h, left : left + w].astype(np.float32), (side, side))
            return np.clip(np.rint(window), 0, 255).astype(np.uint8), np.zeros((side, side), bool)
    return None


def with_strangeness(model: keras.Model, images: np.ndarray) -> keras.Model:
    """The network with the output "strangeness": how far an image's features lie from those of known images.

    Mahalanobis's distance of the means of every stage's features under a shrunk covariance (Ledoit & Wolf 2004), over
    the distance within which `KNOWN` per cent of the known images lie (Lee et al. 2018, "A simple unified framework
    for detecting out-of-distribution samples", for the idea).

    Args:
        model: of `segment_net`.
        images: (n, s, s) uint8, the known images.
    """
    import keras
    from keras import layers
    from sklearn.covariance import LedoitWolf

    inputs = images[..., None] / np.float32(255)
    known = model.predict(inputs, batch_size=32, verbose=0)["features"].astype(np.float64)
    fitted = LedoitWolf().fit(known)
    values, vectors = np.linalg.eigh(fitted.covariance_)
    whiten = vectors / np.sqrt(values)
    far = np.sqrt((((known - fitted.location_) @ whiten) ** 2).mean(axis=1))
    whiten /= np.percentile(far, KNOWN)
    place = layers.Dense(whiten.shape[1], dtype="float32", name="whitened")
    z = place(model.output["features"])
    place.set_weights([whiten.astype(np.float32), (-fitted.location_ @ whiten).astype(np.float32)])
    square = layers.Multiply(dtype="float32", name="squared")([z, z])
    mean = layers.Dense(1, use_bias=False, dtype="float32", name="mean_square")
    total = mean(square)
    mean.set_weights([np.full((whiten.shape[1], 1), 1 / whiten.shape[1], np.float32)])
    strangeness = keras.ops.sqrt(total)
    return keras.Model(model.input, {**model.output, "strangeness": strangeness}, name=model.name)


def export_segmenter(model: keras.Model, path: Path, settings: dict[str, Any]) -> float:
    """Write the network as the ONNX file that `salus.segmenter` reads; the largest difference of a probability.

    Args:
        model: of `with_strangeness`.
        path: the .onnx file.
        settings: see `salus.segmenter.NetworkSettings`; more is kept as it is.

    Raises:
        SalusError: the file's probabilities differ from the network's by more than 1e-4.
    """
    import keras
    import onnx

    from salus.engine import SETTINGS, open_network
    from salus.networks.segment_net import OUTPUTS
    from salus.train.onnx_weights import KEY, note_weights

    side = model.input_shape[1]
    listed = keras.Model(model.input, [model.output[name] for name in EXPORTED])
    listed(np.zeros((1, side, side, 1), np.float32))  # Keras exports what has been called
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of NumPy, about a line in Keras's exporter
        listed.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    new = dict(zip((port.name for port in graph.graph.output), EXPORTED, strict=True))
    for node in graph.graph.node:
        node.output[:] = [new.get(name, name) for name in node.output]
        node.input[:] = [new.get(name, name) for name in node.input]
    for port in graph.graph.output:
        port.name = new[port.name]
    network = keras.Model(model.input, [model.output[name] for name in OUTPUTS])
    settings = settings | {KEY: note_weights(graph, network)}
    onnx.helper.set_model_props(graph, {SETTINGS: json.dumps(settings)})
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    images = np.random.default_rng(0).random((2, side, side, 1), np.float32)
    wanted = model.predict(images, verbose=0)
    found = open_network(path).run({"image": images})
    difference = max(float(np.abs(found[name] - wanted[name]).max()) for name in EXPORTED[:3])
    if not difference <= PARITY:
        raise SalusError(f"{path}: differs from the network by {difference:.1e}, more than {PARITY:.0e}; not usable")
    return difference


def recipe_json(recipe: SegmentRecipe) -> dict[str, Any]:
    """A recipe as it is kept in files."""
    return asdict(recipe)
