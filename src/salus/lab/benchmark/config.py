"""TODO."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from salus.errors import SalusError
from salus.lab.benchmark.protocol import Protocol
from salus.lab.training.run_folder import RUN_FILE, read_json, write_json


@dataclass(frozen=True)
class Settings:
    """What a run was asked to do.

    Attributes:
        data: the data set's folder.
        layout: its layout.
        networks: entrants "NETWORK" or "NETWORK@SOURCE", see `salus.lab.networks.registry` and `salus.lab.saliency.source`.
        saliency: the source of those that name none.
        predictions: masks from elsewhere that join the tables: name to folder.
        protocol: how networks are trained and tested.
        allow_leakage: go on although patients or near-duplicates sit on both sides.
        backend: Keras's.
        skip_bad: leave cases out that cannot be read, instead of stopping.
    """

    data: str
    layout: str
    networks: tuple[str, ...]
    saliency: str
    predictions: dict[str, str]
    protocol: Protocol
    allow_leakage: bool
    backend: str
    skip_bad: bool = False

    def save(self, run: Path) -> None:
        """Write RUN/run.json."""
        write_json(run / RUN_FILE, asdict(self))

    @classmethod
    def load(cls, run: Path) -> Settings:
        """Read RUN/run.json.

        Raises:
            SalusError: no such run, or not one of this version.
        """
        content = read_json(run / RUN_FILE)
        try:
            protocol = Protocol.from_json(content.pop("protocol"))
            networks, predictions = content["networks"], content["predictions"]
            if not isinstance(networks, list) or not all(isinstance(name, str) for name in networks):
                raise TypeError("networks is no list of names")
            if not isinstance(predictions, dict) or not all(isinstance(f, str) for f in predictions.values()):
                raise TypeError("predictions does not tell folders by name")
            return cls(protocol=protocol, **{**content, "networks": tuple(networks)})
        except (KeyError, TypeError, AttributeError) as error:
            raise SalusError(f"{run / RUN_FILE}: not a run of this Salus version ({error})") from None


def parted(entrant: str) -> tuple[str, str | None]:
    """An entrant's network, and the saliency source it names, e.g. "sa-unet@prior": ("sa-unet", "prior")."""
    network, at, source = entrant.partition("@")
    return network, source if at else None


def part_folder(run: Path, network: str, fold: int) -> Path:
    """Where one network's result on one fold lies."""
    return run / network.replace(":", ".") / f"fold-{fold}"
