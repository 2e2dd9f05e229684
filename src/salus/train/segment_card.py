"""A trained network's calibration, its scores on held-out patients, and the model card that states them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar

from salus.data.prepare import resize
from salus.engine import open_network
from salus.measure import expected_dice
from salus.metrics import score
from salus.outline import cut, from_logit
from salus.segment_network import NetworkSettings
from salus.statistics import bootstrap_interval
from salus.train.run import write_by_rename, write_json

if TYPE_CHECKING:
    from salus.train.pool import Pool
    from salus.train.segment_run import Raw, Wanted

Log = Callable[[str], None]

THINNED = 4
"""Every so many rows and columns take part in the fit of the temperature."""

GRID = np.round(np.arange(0, 0.96, 0.01), 2)
"""Limits of presence that are tried."""

LEFT_EMPTY = 0.9
"""Part of the tumour-free held-out images that the limit of presence leaves empty."""

BANDS = (0.0, 0.6, 0.7, 0.8, 0.9, 1.01)
"""Of confidence, for the card's table."""

USUAL = 98
"""Per cent of held-out images that are not flagged as strange."""

LIMITS = """It is research software, not a medical device: no diagnosis, no treatment and no triage may rest on it. It
knows still B-mode images of the breast from the scanners of its training sets, one lesion or none in most. It was not
tested on men, children, implants, after surgery or radiation, on axillary nodes, Doppler, elastography, or 3D."""

FAILURES = (
    "isoechoic lesions and ones without a clear border: part of the outline is missing, or all of it",
    "lesions in deep shadow: the shadow is taken for part of them, or they are missed",
    "ducts, fat lobules and ribs that are dark and round: outlined as lesions in tumour-free images",
    "several lesions in an image: the smaller ones are missed more often",
    "lesions cut by the image's border",
)


def calibrate(raw: Raw, name: str, size: int, pool_masks: np.ndarray, tta: bool = False) -> NetworkSettings:
    """Fit temperature, presence and the limit of strangeness to held-out outputs.

    The temperature minimises the cross-entropy of the pixels (Guo et al. 2017). The limit of presence is the lowest
    that leaves `LEFT_EMPTY` of the tumour-free images empty, so that no more tumours are given up than that takes;
    without tumour-free images it is 0.

    Args:
        raw: the outputs.
        name: of the network.
        size: of its input.
        pool_masks: (n, s, s) bool, of all images of the pool.
        tta: whether the outputs are means of images and their mirrors.
    """
    truth = pool_masks[raw.place]
    z = raw.logit[:, ::THINNED, ::THINNED].astype(np.float32)
    y = truth[:, ::THINNED, ::THINNED]

    def entropy(t: float) -> float:
        return float(np.mean(np.logaddexp(0, z / t) - y * z / t))

    temperature = float(minimize_scalar(entropy, bounds=(0.3, 5.0), method="bounded").x)
    strange = round(float(np.percentile(raw.strangeness, USUAL)), 3)
    settings = NetworkSettings(name, size, temperature=round(temperature, 3), strange=strange, tta=tta)
    lesion = truth.any(axis=(1, 2))
    if lesion.all() or not lesion.any():
        return settings
    free = [from_logit(one.astype(np.float32) / temperature) for one in raw.logit[~lesion]]
    empty = np.array([not cut(one, settings.threshold, settings.smallest).any() for one in free])
    left = [np.mean(empty | (raw.presence[~lesion] < limit)) for limit in GRID]
    enough = np.flatnonzero(np.array(left) >= LEFT_EMPTY)
    return replace(settings, presence=float(GRID[enough[0]] if len(enough) else GRID[-1]))


def make_card(
    wanted: Wanted, pool: Pool, prints: dict[str, str], raw: Raw | None, settings: NetworkSettings | None, log: Log
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Score every held-out image at its own size; the rows of images.csv, and the card."""
    settings = settings or NetworkSettings(wanted.name, wanted.recipe.size, tta=wanted.tta)
    card: dict[str, Any] = {
        "settings": asdict(settings),
        "data": {name: {"images": pool.sets.count(name), "sha256": prints[name]} for name in dict.fromkeys(pool.sets)},
        "trained_on": _trained_on(final=wanted.final, folds=wanted.folds),
        "started_from": _started_from(wanted),
        "seen": seen_before(wanted, prints),
        "recipe": asdict(wanted.recipe),
        "limits": " ".join(LIMITS.split()),
        "failures": list(FAILURES),
    }
    if raw is None:
        return [], card
    log(f"scoring {len(raw.place)} held-out images at their own size")
    rows = [_score_one(raw, index, pool, settings) for index in range(len(raw.place))]
    card["judged"] = {
        "folds": sorted({int(fold) for fold in raw.fold}),
        "of": wanted.folds,
        "asked": "a network trained without its fold, not of this one"
        if wanted.final
        else "this network, trained without the fold"
        if wanted.judged == 1
        else "the network trained without its fold; this one is that of fold 1",
        "scores": summarise(rows),
        "calibration": reliability(raw, pool.masks, settings.temperature),
        "coverage": coverage(rows),
        "certainty": certainty(rows),
    }
    return rows, card


def seen_before(wanted: Wanted, prints: dict[str, str]) -> list[str]:
    """A line for each set of which held-out images may have trained the network that this run started from.

    Args:
        wanted: what the run was asked to do.
        prints: the fingerprint of each set.
    """
    if wanted.start_from is None or not wanted.judged:
        return []
    first = open_network(Path(wanted.start_from)).settings
    told = first.get("card", {})
    known = {one["sha256"] for one in told.get("data", {}).values()}
    same_deal = told.get("recipe", {}).get("seed") == wanted.recipe.seed and wanted.judged == 1
    if told.get("trained_on") == _trained_on(final=False, folds=wanted.folds) and same_deal:
        return []
    start = first.get("name", "the network it started from")
    return [
        f"{start} had been trained on images of {name}; their scores are not of unseen patients"
        for name, value in prints.items()
        if value in known
    ]


def _trained_on(*, final: bool, folds: int) -> str:
    return "every image" if final else f"all but fold 1 of {folds}"


def _started_from(wanted: Wanted) -> str:
    first = "ImageNet" if wanted.start_from is None else Path(wanted.start_from).name
    if not wanted.final or wanted.final_steps is None:
        return first
    return f"{first} by way of fold 1's network, which it goes on from for {wanted.final_steps:,} steps"


def _score_one(raw: Raw, index: int, pool: Pool, settings: NetworkSettings) -> dict[str, Any]:
    place = int(raw.place[index])
    case = pool.cases[place]
    scan = case.read_image()
    truth = case.read_mask(scan.shape)
    small = from_logit(raw.logit[index].astype(np.float32) / settings.temperature)
    probability = np.clip(resize(small, scan.shape), 0, 1)
    mask = cut(probability, settings.threshold, settings.smallest)
    if raw.presence[index] < settings.presence:
        mask[:] = False
    row: dict[str, Any] = {
        "image": pool.names[place],
        "set": pool.sets[place],
        "label": pool.labels[place],
        "group": pool.groups[place],
        "fold": int(raw.fold[index]),
        "tumour": int(truth.any()),
        "share": round(float(truth.mean()), 5),
        "presence": round(float(raw.presence[index]), 4),
        "strangeness": round(float(raw.strangeness[index]), 3),
        "empty": int(not mask.any()),
        "confidence": round(expected_dice(mask, probability) if mask.any() else 1 - float(raw.presence[index]), 4),
    }
    if truth.any():
        found = score(truth, mask, probability)
        row |= {name: round(float(getattr(found, name)), 4) for name in ("dice", "jaccard", "tpr", "precision", "auc")}
    else:
        row |= dict.fromkeys(("dice", "jaccard", "tpr", "precision", "auc"), "")
    return row


def _belongs(name: str, label: str | None, row: dict[str, Any]) -> bool:
    return row["set"] == name and label in (None, row["label"])


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Dice with its 95% interval (patients drawn whole) by set, label and size; tumour-free images left empty."""
    shares = [r["share"] for r in rows if r["tumour"]]
    sizes = np.quantile(shares, [1 / 3, 2 / 3]) if shares else (0, 0)
    of: dict[str, Callable[[dict[str, Any]], bool]] = {}
    for name in sorted({r["set"] for r in rows}):
        of[name] = partial(_belongs, name, None)
        of[f"{name}, one image a patient or cluster"] = _first_of_group(rows, name)
        for label in sorted({r["label"] for r in rows if r["set"] == name and r["label"]}):
            of[f"{name}, {label}"] = partial(_belongs, name, label)
    of["small tumours"] = lambda r: 0 < r["share"] <= sizes[0]
    of["medium tumours"] = lambda r: sizes[0] < r["share"] <= sizes[1]
    of["large tumours"] = lambda r: r["share"] > sizes[1]
    found = {}
    for title, belongs in of.items():
        lesions = [r for r in rows if r["tumour"] and belongs(r)]
        free = [r for r in rows if not r["tumour"] and belongs(r)]
        entry: dict[str, Any] = {}
        if lesions:
            interval = bootstrap_interval([r["dice"] for r in lesions], [r["group"] for r in lesions])
            entry |= {
                "lesion_images": len(lesions),
                "dice": round(interval.mean, 4),
                "low": _known(interval.low, 4),
                "high": _known(interval.high, 4),
                "missed": round(float(np.mean([r["dice"] < 0.1 for r in lesions])), 4),
            }
        if free:
            entry |= {"free_images": len(free), "left_empty": round(float(np.mean([r["empty"] for r in free])), 4)}
        if entry:
            found[title] = entry
    return found


def _known(value: float, digits: int) -> float | None:
    """Rounded; None, which is null in JSON, where there is nothing to tell of."""
    return None if np.isnan(value) else round(float(value), digits)


def _first_of_group(rows: list[dict[str, Any]], name: str) -> Callable[[dict[str, Any]], bool]:
    firsts: dict[str, str] = {}
    for row in rows:
        if row["set"] == name:
            firsts.setdefault(row["group"], row["image"])
    chosen = set(firsts.values())
    return lambda row: row["set"] == name and row["image"] in chosen


def reliability(raw: Raw, masks: np.ndarray, temperature: float, bins: int = 10) -> dict[str, Any]:
    """How often a pixel of a stated probability is tumour, before and after the temperature; and the error of each."""
    from salus.saliency.quality import calibrate as bin_up

    truth = masks[raw.place][:, ::THINNED, ::THINNED]
    found: dict[str, Any] = {}
    for when, t in (("before", 1.0), ("after", temperature)):
        values = from_logit(raw.logit[:, ::THINNED, ::THINNED].astype(np.float32) / t)
        one = bin_up(values, truth, bins)
        found[when] = {
            "stated": [_known(v, 4) for v in one.said],
            "seen": [_known(v, 4) for v in one.seen],
            "error": round(one.error, 5),
        }
    return found


def coverage(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Mean Dice of the images one is surest of, for growing shares of the images (empty counts 1 where rightly so)."""
    value = np.array([r["dice"] if r["tumour"] else float(r["empty"]) for r in rows])
    order = np.argsort([-r["confidence"] for r in rows], kind="stable")
    running = np.cumsum(value[order]) / np.arange(1, len(rows) + 1)
    shares = np.arange(0.1, 1.01, 0.1)
    at = np.maximum(np.rint(shares * len(rows)).astype(int), 1) - 1
    return {"share": [round(float(s), 1) for s in shares], "dice": [round(float(v), 4) for v in running[at]]}


def certainty(rows: list[dict[str, Any]]) -> list[dict[str, float | int | None]]:
    """What stated confidences came to, in bands: the mean Dice of outlines, and how often "no tumour" was right."""
    found: list[dict[str, float | int | None]] = []
    for low, high in pairwise(BANDS):
        band = [r for r in rows if low <= r["confidence"] < high]
        outlined = [r["dice"] if r["tumour"] else 0.0 for r in band if not r["empty"]]
        empty = [1 - r["tumour"] for r in band if r["empty"]]
        found.append(
            {
                "from": low,
                "outlined": len(outlined),
                "dice": _known(np.mean(outlined), 4) if outlined else None,
                "empty": len(empty),
                "rightly": _known(np.mean(empty), 4) if empty else None,
            }
        )
    return found


def write_card(run: Path, card: dict[str, Any]) -> None:
    """Write card.json and card.md."""
    write_json(run / "card.json", card)
    write_by_rename(run / "card.md", partial(Path.write_text, data=card_text(card), encoding="utf-8"))


def card_text(card: dict[str, Any]) -> str:
    """The card in Markdown."""
    s = card["settings"]
    data = [f"{name} {one['images']} images (sha256 {one['sha256'][:12]}…)" for name, one in card["data"].items()]
    lines = [
        f"# Model card: {s['name']}",
        "",
        f"- Data: {'; '.join(data)}",
        f"- Trained on: {card['trained_on']}, from {card['started_from']}",
        f"- Settings: threshold {s['threshold']}, temperature {s['temperature']}, presence {s['presence']}, smallest "
        f"part {s['smallest']:.2%} of the image",
        f"- Must not be used for: {card['limits']}",
        "- Known to fail on: " + "; ".join(card["failures"]) + ".",
    ]
    if "judged" in card:
        judged = card["judged"]
        lines += [
            "",
            f"## Scores on unseen patients (fold {', '.join(map(str, judged['folds']))} of {judged['of']})",
            "",
            f"Each image was asked of {judged['asked']}. At each image's own size; 95% intervals by bootstrap over "
            "patients or clusters of near-duplicates. Missed: Dice below 0.1. Temperature and the limits of presence "
            "and strangeness were fitted on these same images, so what is left empty and the calibration after the "
            "temperature are not of unseen ones.",
            *[f"\n**Not unseen:** {line}" for line in card.get("seen", ())],
            "",
            "| images | lesion images | DSC | 95% | missed | tumour-free images | left empty |",
            "|---|---|---|---|---|---|---|",
        ]
        for title, e in judged["scores"].items():
            dice = "– | – | –"
            if "dice" in e:
                interval = "–" if e["low"] is None else f"{e['low']:.3f} to {e['high']:.3f}"
                dice = f"{e['dice']:.3f} | {interval} | {e['missed']:.1%}"
            free = f"{e['free_images']} | {e['left_empty']:.1%}" if "free_images" in e else "– | –"
            lines.append(f"| {title} | {e.get('lesion_images', '–')} | {dice} | {free} |")
        before, after = judged["calibration"]["before"]["error"], judged["calibration"]["after"]["error"]
        shares, dice_at = judged["coverage"]["share"], judged["coverage"]["dice"]
        lines += [
            "",
            f"Calibration error of the pixels: {before:.4f} before the temperature, {after:.4f} after.",
            "",
            "| share of images it is surest of | " + " | ".join(f"{v:.0%}" for v in shares) + " |",
            "|---|" + "---|" * len(shares),
            "| mean DSC (rightly empty: 1) | " + " | ".join(f"{v:.3f}" for v in dice_at) + " |",
            "",
            "| confidence from | images outlined | their mean DSC | images left empty | of them without a tumour |",
            "|---|---|---|---|---|",
        ]
        for one in judged.get("certainty", ()):
            dice = "–" if one["dice"] is None else f"{one['dice']:.3f}"
            right = "–" if one["rightly"] is None else f"{one['rightly']:.0%}"
            lines.append(f"| {one['from']:g} | {one['outlined']} | {dice} | {one['empty']} | {right} |")
    return "\n".join(lines) + "\n"
