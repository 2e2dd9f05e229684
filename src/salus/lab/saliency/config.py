"""Settings of a saliency benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from salus.errors import SalusError
from salus.lab.training.run_folder import RUN_FILE, read_settings
from salus.read.mask_values import AUTO


@dataclass(frozen=True)
class SaliencyBenchmarkConfig:
    """Settings of a saliency benchmark, as they lie in run.json.

    Attributes:
        data: folders of data sets.
        methods: estimators' names, or "file".
        folds: number of folds.
        size: height and width at which maps are made and scored, pixels.
        seed: of the folds.
        separate: fit on each set alone instead of on all sets together.
        limit: largest number of images of each set, spread evenly over it; None takes all.
        skip_bad: leave out cases that cannot be read.
        mask_values: how the values of masks are read; see `salus.read.mask_values`.
    """

    data: tuple[str, ...]
    methods: tuple[str, ...]
    folds: int = 5
    size: int = 128
    seed: int = 1
    separate: bool = False
    limit: int | None = None
    skip_bad: bool = False
    mask_values: str = AUTO


def load_config(run: Path) -> tuple[SaliencyBenchmarkConfig, dict[str, str]]:
    """Read the settings of a run, and the fingerprint of each of its data sets.

    Raises:
        SalusError: there is no run, or it is not a saliency benchmark of this version.
    """
    settings, fingerprints = read_settings(run)
    try:
        lists = {name: tuple(settings[name]) for name in ("data", "methods")}
        return SaliencyBenchmarkConfig(**{**settings, **lists}), fingerprints
    except (KeyError, TypeError) as error:
        raise SalusError(f"{run / RUN_FILE}: not a saliency run of this Salus version ({error})") from None
