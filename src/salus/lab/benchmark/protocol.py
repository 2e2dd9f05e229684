"""The protocol of a benchmark: every setting that its result depends on.

Each setting carries its published value (Vakanski, Xian & Freer 2020, their notebooks) and a reason to deviate from it,
so that a run can list its own deviations.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from salus.errors import SalusError

FOLD_RULES = ("grouped", "by-image", "official")


def _setting(published: Any, reason: str) -> Any:
    """Declare a field whose default is the published value."""
    return field(default=published, metadata={"published": published, "reason": reason})


@dataclass(frozen=True)
class Protocol:
    """How networks are trained and tested; the defaults are the published protocol.

    Each attribute is declared with a reason to deviate from its published value.

    Example:
        >>> Protocol(epochs=3).deviations()
        {'epochs': '3 instead of 200: less time; networks are not trained out'}
    """

    size: int = _setting(256, "smaller is faster and loses detail, larger the reverse")
    folds: int = _setting(5, "the reproduction on 163 images has 4; fewer take less time")
    fold_rule: str = _setting(
        "by-image",
        "a patient or a near-duplicate must not sit on both sides; where neither is in the data it makes no difference",
    )
    validation: float = _setting(0.15, "another share of the training part decides when to stop")
    batch: int = _setting(4, "a larger batch uses a GPU better and takes fewer steps")
    epochs: int = _setting(200, "less time; networks are not trained out")
    patience: int = _setting(20, "epochs without better validation loss before training stops")
    learning_rate: float = _setting(1e-4, "Adam's step size")
    restore_best: bool = _setting(
        False, "the notebooks keep the last weights, 20 epochs past the best; the best on validation data are sounder"
    )
    threshold: float = _setting(0.5, "the probability from which a pixel is lesion")
    precision: str = _setting(
        "float32", "bfloat16 arithmetic is faster where the processor has it; weights stay float32"
    )
    seed: int = _setting(1, "another draw of weights, folds and order")

    def __post_init__(self) -> None:
        """Check every setting against its range."""
        rules = {
            "size": (self.size >= 16 and self.size % 16 == 0, "a multiple of 16"),
            "folds": (self.folds >= 2, "at least 2"),
            "fold_rule": (self.fold_rule in (*FOLD_RULES, "file"), f"one of {', '.join(FOLD_RULES)}"),
            "validation": (0 < self.validation < 1, "between 0 and 1"),
            "batch": (self.batch >= 1, "at least 1"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "patience": (self.patience >= 1, "at least 1"),
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "threshold": (0 < self.threshold < 1, "between 0 and 1"),
            "seed": (self.seed >= 0, "0 or more"),
        }
        for name, (is_valid, requirement) in rules.items():
            if not is_valid:
                raise SalusError(f"protocol: {name} is {getattr(self, name)!r}; it must be {requirement}")

    def deviations(self) -> dict[str, str]:
        """Return what differs from the published protocol: setting to "value instead of published: reason"."""
        deviations = {}
        for f in fields(self):
            value, published = getattr(self, f.name), f.metadata["published"]
            if value != published:
                deviations[f.name] = f"{value} instead of {published}: {f.metadata['reason']}"
        return deviations

    def change(self, **settings: Any) -> Protocol:
        """Return a copy with some settings changed; None keeps a setting."""
        return replace(self, **{name: value for name, value in settings.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain values by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Protocol:
        """Build a protocol from the result of `to_json`; an unknown setting is an error, never ignored."""
        unknown = sorted(set(content) - {f.name for f in fields(cls)})
        if unknown:
            raise SalusError(f"protocol: unknown settings {', '.join(unknown)}; was it written by a newer Salus?")
        return cls(**content)


PRESETS: dict[str, Protocol] = {
    "published": Protocol(folds=4, fold_rule="grouped", precision="auto"),
    "literature": Protocol(folds=4),
    "demo": Protocol(
        size=64,
        folds=2,
        fold_rule="grouped",
        batch=8,  # at 4 the loss over a batch collapses to empty outlines in some trainings
        epochs=16,
        learning_rate=2e-4,
        restore_best=True,
        precision="auto",
    ),
}
"""Protocols by name: `published` but without leakage, `literature` to the letter, both with the four folds of the
reproduction on 163 images, `demo` for a run of some minutes."""
