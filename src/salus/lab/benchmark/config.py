"""The settings of a benchmark run (RUN/run.json), the names of its methods, and the folder of each fold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from salus.atomic import write_json
from salus.errors import SalusError
from salus.lab.benchmark.protocol import Protocol
from salus.lab.training.run_folder import RUN_FILE, read_json
from salus.read.mask_values import AUTO


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of a benchmark run.

    Attributes:
        data: folder of the data set.
        layout: layout of the data set.
        networks: methods to train, each "NETWORK" or "NETWORK@SOURCE"; see `salus.lab.networks.registry` and
            `salus.lab.saliency.source`.
        saliency: saliency source of the methods that name none.
        predictions: masks made elsewhere that are scored too: method name to folder.
        protocol: how networks are trained and tested.
        allow_leakage: continue although patients or near-duplicates are in the training and the test part of a fold.
        backend: backend of Keras.
        skip_bad: leave out cases that cannot be read, instead of stopping.
        mask_values: how the values of masks are read; see `salus.read.mask_values`.
        prediction_values: the same of masks made elsewhere.
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
    mask_values: str = AUTO
    prediction_values: str = AUTO

    def save(self, run: Path) -> None:
        """Write RUN/run.json."""
        write_json(run / RUN_FILE, asdict(self))

    @classmethod
    def load(cls, run: Path) -> BenchmarkConfig:
        """Read RUN/run.json.

        Raises:
            SalusError: there is no such run, or another version of Salus wrote it.
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


def split_method_name(method: str) -> tuple[str, str | None]:
    """Split a method's name into its network and the saliency source it names, if any.

    Example:
        >>> split_method_name("sa-unet@prior"), split_method_name("unet")
        (('sa-unet', 'prior'), ('unet', None))
    """
    network, at, source = method.partition("@")
    return network, source if at else None


def fold_folder(run: Path, method: str, fold: int) -> Path:
    """Return the folder of one method's results on one fold."""
    return run / method.replace(":", ".") / f"fold-{fold}"
