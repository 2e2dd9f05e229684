"""A trained network's calibration, its scores on held-out patients, and the model card that states them."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.engine import open_network
from salus.lab.segmentation.calibrate import reliability
from salus.lab.segmentation.judge import _score_one, certainty, coverage, summarise
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import write_by_rename, write_json
from salus.segmentation.network import NetworkSettings

if TYPE_CHECKING:
    from salus.lab.segmentation.config import Wanted
    from salus.lab.segmentation.held_out import Raw
    from salus.lab.training.cross_validation import Pool


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
