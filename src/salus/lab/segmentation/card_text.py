"""Write a model card as Markdown."""

from __future__ import annotations

from typing import Any


def card_text(card: dict[str, Any]) -> str:
    """Write a card of `salus.lab.segmentation.card.make_card` as Markdown."""
    return "\n".join(_summary(card) + (_scores(card) if "judged" in card else [])) + "\n"


def _summary(card: dict[str, Any]) -> list[str]:
    settings = card["settings"]
    inherited = [
        f"- {start['name']}, from which it comes, was trained on: {start['trained_on']} of {_data(start['data'])}"
        for start in card.get("inherited", ())
    ]
    return [
        f"# Model card: {settings['name']}",
        "",
        f"- Data: {_data(card['data'])}",
        f"- Trained on: {card['trained_on']}, from {card['started_from']}",
        *inherited,
        f"- Settings: threshold {_threshold(settings)}, temperature {settings['temperature']}, presence "
        f"{settings['presence']}, smallest part {settings['smallest']:.2%} of the image{_unsure(settings)}",
        f"- Must not be used for: {card['limits']}",
        "- Known to fail on: " + "; ".join(card["failures"]) + ".",
    ]


def _data(sets: dict[str, dict[str, Any]]) -> str:
    """Name the data sets of a training, with their sizes and checksums."""
    return (
        "; ".join(
            f"{name} {entry['images']} images{'' if entry.get('labelled', True) else ' without masks'} "
            f"(sha256 {entry['sha256'][:12]}…)"
            for name, entry in sets.items()
        )
        or "data that its file does not name"
    )


def _threshold(settings: dict[str, Any]) -> str:
    threshold = settings["threshold"]
    return "that of the largest expected Dice, for each image" if threshold is None else f"{threshold}"


def _unsure(settings: dict[str, Any]) -> str:
    share = settings.get("unsure", 0.0)
    return f", places of at least {share:g} of the surest place's mean probability" if share else ""


def _scores(card: dict[str, Any]) -> list[str]:
    judged = card["judged"]
    calibration, coverage = judged["calibration"], judged["coverage"]
    return [
        "",
        f"## Scores on {_judged_part(judged)}",
        "",
        f"Each image was asked of {judged['asked']}. At each image's own size; 95% intervals by bootstrap over "
        "patients or clusters of near-duplicates. Missed: Dice below 0.1. Temperature and the limits of presence "
        "and strangeness were fitted on these same images, so what is left empty and the calibration after the "
        "temperature are not of unseen ones.",
        *[f"\n**Not unseen:** {line}" for line in card.get("seen", ())],
        "",
        "| images | lesion images | DSC | 95% | missed | tumour-free images | left empty |",
        "|---|---|---|---|---|---|---|",
        *[_score_row(title, entry) for title, entry in judged["scores"].items()],
        "",
        *_restraint_table(judged.get("restraint", {})),
        f"Calibration error of the images' pixels: {calibration['before']['error']:.4f} before the temperature, "
        f"{calibration['after']['error']:.4f} after.",
        "",
        "| share of images it is surest of | " + " | ".join(f"{share:.0%}" for share in coverage["share"]) + " |",
        "|---|" + "---|" * len(coverage["share"]),
        "| mean DSC (rightly empty: 1) | " + " | ".join(f"{dice:.3f}" for dice in coverage["dice"]) + " |",
        "",
        "| confidence from | images outlined | their mean DSC | images left empty | of them without a tumour |",
        "|---|---|---|---|---|",
        *[_confidence_row(band) for band in judged.get("certainty", ())],
    ]


def _restraint_table(costs: dict[str, dict[str, float | None]]) -> list[str]:
    """Write what each restraint costs; nothing where the network has none."""
    if not costs:
        return []
    rows = []
    for name, cost in costs.items():
        shares = ("–" if cost[key] is None else f"{cost[key]:.1%}" for key in ("lost", "left_empty"))
        rows.append(f"| {name} | {cost['limit']:g} | {' | '.join(shares)} |")
    return [
        "| restraint | limit of presence | tumours left empty | tumour-free left empty |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def _judged_part(judged: dict[str, Any]) -> str:
    """Say which images were judged."""
    if "sources" in judged:
        return f"data sets that were left out in turn ({', '.join(judged['sources'])})"
    return f"unseen patients (fold {', '.join(map(str, judged['folds']))} of {judged['of']})"


def _score_row(title: str, entry: dict[str, Any]) -> str:
    dice, free = "– | – | –", "– | –"
    if "dice" in entry:
        interval = "–" if entry["low"] is None else f"{entry['low']:.3f} to {entry['high']:.3f}"
        dice = f"{entry['dice']:.3f} | {interval} | {entry['missed']:.1%}"
    if "free_images" in entry:
        free = f"{entry['free_images']} | {entry['left_empty']:.1%}"
    return f"| {title} | {entry.get('lesion_images', '–')} | {dice} | {free} |"


def _confidence_row(band: dict[str, Any]) -> str:
    dice = "–" if band["dice"] is None else f"{band['dice']:.3f}"
    rightly = "–" if band["rightly"] is None else f"{band['rightly']:.0%}"
    return f"| {band['from']:g} | {band['outlined']} | {dice} | {band['empty']} | {rightly} |"
