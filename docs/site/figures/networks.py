"""Draw the figures of docs/explanation/networks.md: U-Net, SA-U-Net, the attention block, the shipped network."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from canvas import AMBER, BLUE, INK, MUTED, RED, across, blank, box, circle, link, note, write_svg
from matplotlib.axes import Axes
from scipy.special import expit

from salus.lab.report.figures import figure_style, new_figure

FILTERS = (32, 32, 64, 64, 128)
LEVELS = (256, 128, 64, 32, 16)


def draw(folder: Path) -> None:
    """Draw all figures."""
    with figure_style():
        draw_unets(folder / "unets.svg")
        draw_attention_block(folder / "attention-block.svg")
        draw_attention_faults(folder / "attention-faults.svg")
        draw_shipped_network(folder / "shipped-network.svg")


def draw_unets(path: Path) -> None:
    """Draw both published networks beside each other."""
    figure, axes = blank(10.4, 4.3)
    _unet(axes, 0.1, attention=False)
    _unet(axes, 5.45, attention=True)
    axes.text(0.25, 4.12, "U-Net", fontsize=11, fontweight="bold", va="center")
    axes.text(5.6, 4.12, "SA-U-Net, as released", fontsize=11, fontweight="bold", va="center")
    note(axes, (0.87, 4.11), "717,313 parameters")
    note(axes, (7.38, 4.11), "1,912,517 parameters")
    for y, size in zip(_rows(), LEVELS, strict=True):
        note(axes, (5.12, y), f"{size}²", ha="center", fontsize=7)
    alt = "U-Net, a ladder of five levels with a skip at each; SA-U-Net, the same with attention in each step down"
    write_svg(figure, path, alt)


def _rows() -> list[float]:
    return [3.55 - 0.78 * n for n in range(5)]


def _unet(axes: Axes, left: float, *, attention: bool) -> None:
    rows, names = _rows(), ("c1", "c2", "c3", "c4", "c5")
    size = (0.5, 0.36)
    down = [box(axes, (left + 0.55 + 0.36 * n, rows[n]), f"{names[n]}\n{FILTERS[n]}", size, "blue", fontsize=7)
            for n in range(5)]  # fmt: skip
    up = [box(axes, (left + 4.2 - 0.36 * n, rows[n]), f"d{9 - n}\n{FILTERS[n]}", size, "blue", fontsize=7)
          for n in range(4)]  # fmt: skip
    nodes = []
    for n in range(4):
        if attention:
            middle = (down[n][0][0] + 0.17, (rows[n] + rows[n + 1]) / 2)
            node = circle(axes, middle, f"A{n + 1}", "amber", 0.13)
            link(axes, (middle[0], rows[n] - 0.18), (middle[0], middle[1] + 0.13))
            link(axes, (middle[0], middle[1] - 0.13), (middle[0], rows[n + 1] + 0.18))
            link(axes, (left + 0.02, middle[1]), (middle[0] - 0.13, middle[1]), color=AMBER)
            note(axes, (left + 0.02, middle[1] + 0.1), f"S{n + 1}", color=AMBER, fontweight="bold")
            nodes.append(node)
        else:
            x = down[n][0][0] + 0.17
            link(axes, (x, rows[n] - 0.18), (x, rows[n + 1] + 0.18))
        below = up[n + 1][0] if n < 3 else (down[4][0])
        x = up[n][0][0] - 0.17
        start = (x, rows[n + 1] + 0.18) if n < 3 else (below[0] + 0.25, below[1])
        link(
            axes,
            start,
            (x, rows[n] - 0.18),
            color=BLUE,
            **({"connectionstyle": "angle,angleA=0,angleB=90"} if n == 3 else {}),
        )
    for n in range(4):
        start = down[n][0][0] + 0.25
        if attention and n > 0:  # O_n joins one level further up than c_n would
            a = nodes[n - 1]
            bend = rows[n] + 0.24
            link(axes, (a[0][0] + 0.13, a[0][1]), (up[n][0][0] - 0.25, rows[n] + 0.08), color=AMBER, linestyle="--",
                 connectionstyle=f"arc,angleA=0,angleB=180,armA={3},armB=12,rad=6")  # fmt: skip
            note(axes, ((start + up[n][0][0]) / 2, bend + 0.05), f"O{n}", color="#8a6300", ha="center", fontsize=7)
        else:
            link(axes, (start, rows[n]), (up[n][0][0] - 0.25, rows[n]), linestyle="--")
            note(axes, ((start + up[n][0][0]) / 2, rows[n] + 0.1), names[n], ha="center", fontsize=7)
    link(axes, (up[0][0][0] + 0.25, rows[0]), (up[0][0][0] + 0.46, rows[0]), color=INK)
    note(axes, (up[0][0][0] + 0.48, rows[0]), "p", color=INK, fontsize=9)
    link(axes, (left + 0.1, rows[0]), (left + 0.3, rows[0]), color=INK)
    note(axes, (left, rows[0]), "x", color=INK, fontsize=9)


def draw_attention_block(path: Path) -> None:
    """Draw the attention block of level n."""
    figure, axes = blank(10.2, 2.45)
    high, low, mid = 2.1, 0.85, 1.47
    saliency = box(axes, (0.5, high), "S\n256 × 256 × 1", (0.9, 0.46), "amber", fontsize=7.5)
    features = box(axes, (0.5, low), "Fₙ\nh × w × k", (0.9, 0.46), "blue", fontsize=7.5)
    pooled = box(axes, (1.75, high), "max-pool 2ⁿ", (0.95, 0.4), fontsize=7.5)
    saliency_conv = box(axes, (3.0, high), "1x1, 128\nReLU", (0.8, 0.46), fontsize=7.5)
    feature_conv = box(axes, (3.0, low), "1x1, 128, stride 2\nReLU", (1.15, 0.46), fontsize=7.5)
    add = circle(axes, (4.05, mid), "+")
    first = box(axes, (4.9, mid), "3x3, 128\nReLU", (0.75, 0.46), fontsize=7.5)
    second = box(axes, (5.85, mid), "3x3, 128\nReLU", (0.75, 0.46), fontsize=7.5)
    single = box(axes, (6.75, mid), "1x1, 1\nReLU", (0.68, 0.46), "red", fontsize=7.5)
    repeated = box(axes, (7.75, mid), "repeat 32\n1x1, k, ReLU", (0.92, 0.46), "red", fontsize=7.5)
    sigma = circle(axes, (8.55, mid), "σ")
    times = circle(axes, (9.1, mid), "×")
    box(axes, (6.75, low - 0.55), "max-pool 2", (0.95, 0.34), fontsize=7.5)
    for a, b in ((saliency, pooled), (pooled, saliency_conv), (features, feature_conv), (add, first), (first, second),
                 (second, single), (single, repeated), (repeated, sigma), (sigma, times)):  # fmt: skip
        across(axes, a, b)
    link(axes, (3.4, high), (4.05, mid + 0.15), connectionstyle="angle,angleA=0,angleB=90")
    link(axes, (3.58, low), (4.05, mid - 0.15), connectionstyle="angle,angleA=0,angleB=90")
    link(axes, (0.5, low - 0.23), (6.27, low - 0.55), connectionstyle="angle,angleA=90,angleB=0")
    link(axes, (7.23, low - 0.55), (9.1, mid - 0.15), connectionstyle="angle,angleA=0,angleB=90")
    link(axes, (9.25, mid), (9.6, mid), color=INK)
    note(axes, (9.64, mid), "Oₙ\nh/2 ×\nw/2 × k", color=INK)
    note(axes, (6.75, mid + 0.42), "where this ReLU is dead,\nsaliency has no effect", color=RED, ha="center")
    note(axes, (8.3, mid - 0.45), "this ReLU keeps\nA in [0.5, 1)", color=RED, ha="center")
    write_svg(figure, path, "The attention block as a chain of layers; two of its ReLUs are marked as faults")


def draw_attention_faults(path: Path) -> None:
    """Draw the range of a feature's weight, and the gradient of the one-channel map, in both forms of the block."""
    figure = new_figure(2.7, 10.2)
    left, right = figure.subplots(1, 2)
    x = np.linspace(-6, 6, 241)
    sigmoid = expit(x)
    left.axhspan(0, 0.5, color=RED, alpha=0.08, linewidth=0)
    left.plot(x, expit(np.maximum(x, 0)), color=RED, label="released: σ(ReLU(z))")
    left.plot(x, sigmoid, color=BLUE, linestyle="--", label="mended: σ(z)")
    left.set(
        title="What a feature is multiplied by", xlabel="z, the last 1x1 convolution", ylabel="weight A", ylim=(0, 1.03)
    )
    left.text(5.8, 0.25, "out of reach of\nthe released block", ha="right", va="center", fontsize=8, color=RED)
    left.legend(loc="upper left")
    right.plot(x, np.where(x > 0, 1.0, 0.0), color=RED, label="released: a = ReLU(u)")
    right.plot(x, np.ones_like(x), color=BLUE, linestyle="--", label="mended: a = u")
    right.set(title="How much of a change of u reaches a", xlabel="u, before the one-channel map's activation",
              ylabel="da / du", ylim=(-0.05, 1.25), yticks=(0, 0.5, 1))  # fmt: skip
    right.text(-3, 0.14, "no effect, and no gradient\nto ever get one", ha="center", fontsize=8, color=RED)
    right.legend(loc="upper right", ncols=2)
    write_svg(
        figure, path, "Left: the released weight never falls below one half. Right: below zero, its gradient is zero"
    )


def draw_shipped_network(path: Path) -> None:
    """Draw the network that `salus segment` uses."""
    figure, axes = blank(10.2, 3.7)
    image = box(axes, (0.6, 2.0), "image\n192 × 192", (0.9, 0.5), fontsize=7.5)
    prompt = box(
        axes, (2.0, 3.15), "point, box, scribble or map\nof a person; or none", (2.1, 0.46), "amber", fontsize=7.5
    )
    saliency = box(
        axes, (5.25, 3.15), "P, 192 × 192, in [-1, 1]\npooled to each stage", (1.75, 0.46), "amber", fontsize=7.5
    )
    across(axes, prompt, saliency)
    xs = [1.9 + 1.18 * n for n in range(5)]
    stages, nodes = [], []
    for n, (x, stride, filters) in enumerate(zip(xs, (2, 4, 8, 16, 32), (16, 24, 40, 112, 320), strict=True)):
        stages.append(box(axes, (x, 2.0), f"stride {stride}\n{filters}", (0.62, 0.46), "blue", fontsize=7.5))
        nodes.append(circle(axes, (x + 0.55, 2.0), "A", "amber", 0.13))
        across(axes, stages[n], nodes[n])
        link(axes, (x + 0.55, 2.55), (x + 0.55, 2.13), color=AMBER)
        if n:
            across(axes, nodes[n - 1], stages[n])
    axes.plot([xs[0] + 0.55, xs[-1] + 0.55], [2.55, 2.55], color=AMBER, linewidth=1.1)
    link(axes, (5.25, 2.92), (5.25, 2.55), color=AMBER)
    across(axes, image, stages[0])
    note(axes, (1.3, 2.43), "EfficientNet-Lite0,\nbatch norm folded", color=BLUE)
    deep = nodes[4][0]
    presence = box(axes, (8.75, 2.0), "mean, dense 64\npresence", (1.15, 0.46), "blue", fontsize=7.5)
    across(axes, nodes[4], presence)
    decoder = []
    for n, (stride, filters) in enumerate(((16, 128), (8, 64), (4, 48), (2, 32))):
        x = nodes[3 - n][0][0]
        decoder.append(box(axes, (x, 0.95), f"up, 1x1, 3x3\n{filters}", (0.86, 0.46), "grey", fontsize=7.5))
        link(axes, (x, 1.87), (x, 1.18), linestyle="--")
        note(axes, (x + 0.06, 1.52), f"O, stride {stride}", fontsize=6.8)
    link(axes, (deep[0], 1.87), (decoder[0][0][0] + 0.43, 0.95), connectionstyle="angle,angleA=90,angleB=0")
    for a, b in itertools.pairwise(decoder):
        across(axes, a, b)
    out = box(axes, (0.95, 0.95), "3x3, up, σ\nprobability", (1.05, 0.46), "grey", fontsize=7.5)
    across(axes, decoder[-1], out)
    box(axes, (8.75, 0.95), "means of all stages\nstrangeness", (1.3, 0.46), "grey", fontsize=7.5)
    link(axes, (deep[0] + 0.13, 1.93), (8.1, 1.05), connectionstyle="arc3,rad=0.05")
    note(
        axes,
        (0.1, 0.3),
        "A  = 2 σ(1x1(ReLU(3x3(ReLU(1x1 P + 1x1 N)))))  times F;  N: F, each position scaled to one size",
        color=INK,
    )
    note(axes, (6.1, 0.3), "amber: the prompt;  blue: pretrained on ImageNet, then trained", color=MUTED)
    write_svg(
        figure, path, "The shipped network: a person's prompt steers an encoder through attention at five strides"
    )
