"""Settings of a DICOM node, from one TOML file; docs/how-to/node.md explains each."""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from salus.dicomweb.service import Service
from salus.errors import SalusError

PRODUCT_OF_OUTPUT = {"seg": "dicom-seg", "sr": "dicom-sr", "capture": "dicom-sc"}
"""Outputs of a node, and their names in `salus.pipeline.outputs.PRODUCTS`."""

ANY = "*"
"""Stands among the allowed AE titles for every one."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""Names of destinations, which become parts of file names."""

T = TypeVar("T")


@dataclass(frozen=True)
class ListenSettings:
    """How objects are received.

    Attributes:
        allowed: AE titles of the senders that are let in; "*" lets in every one.
        ae_title: of this node, which senders must call.
        host: address to listen on; "" is all of this computer's.
        port: of DICOM.
        max_mb: largest size of an object, MiB.
        max_associations: senders at a time.
        max_queued: objects that wait; beyond, senders are told to come back.
        remember_days: how long objects that are done are known, so that one that comes again is not segmented again; 0
            is for ever.
    """

    allowed: list[str]
    ae_title: str = "SALUS"
    host: str = ""
    port: int = 11112
    max_mb: int = 512
    max_associations: int = 16
    max_queued: int = 10_000
    remember_days: float = 0.0


@dataclass(frozen=True)
class SegmentSettings:
    """How objects are segmented, and what is made of them.

    Attributes:
        outputs: of `PRODUCT_OF_OUTPUT`.
        network: an .onnx file; "shipped" is the one in the package.
        threshold: probability from which on a pixel is tumour; 0 takes the network's own.
        restraint: "none", "balanced" or "strict", how readily an image is left empty; "" takes the network's own.
        device: see `salus.segmentation.segmenter.Segmenter`.
        precision: likewise.
        workers: objects that are segmented at a time.
        deidentify: results by the standard's basic profile.
        whole_image: captures show what lies outside the ultrasound regions too.
    """

    outputs: list[str] = field(default_factory=lambda: list(PRODUCT_OF_OUTPUT))
    network: str = "shipped"
    threshold: float = 0.0
    restraint: str = ""
    device: str = "cpu"
    precision: str = "float32"
    workers: int = 1
    deidentify: bool = False
    whole_image: bool = False


@dataclass(frozen=True, kw_only=True)
class DestinationSettings(Service):
    """Where results are sent: by STOW-RS to a URL, with what a `Service` has, or by C-STORE to an AE title.

    Attributes:
        name: in the log, and on disk.
        ae_title: of the destination.
        host: its address.
        port: of DICOM.
        url: of its DICOMweb service, as http://orthanc:8042/dicom-web; "" for C-STORE.
    """

    name: str
    ae_title: str = ""
    host: str = ""
    port: int = 104
    url: str = ""


@dataclass(frozen=True)
class HealthSettings:
    """Where the node's state is told.

    Attributes:
        host: address to listen on.
        port: of HTTP; 0 tells it nowhere.
    """

    host: str = "127.0.0.1"
    port: int = 8766


@dataclass(frozen=True)
class RetrySettings:
    """When sending is tried again: after `first` seconds, then twice as long each time, up to `longest`."""

    first: float = 1.0
    longest: float = 300.0


@dataclass(frozen=True)
class NodeSettings:
    """Settings of a node.

    Attributes:
        folder: of the queue.
        listen: how objects are received.
        destinations: where results are sent, one or more; each gets all of them.
        segment: how objects are segmented.
        health: where the node's state is told.
        retry: when sending is tried again.
    """

    folder: Path
    listen: ListenSettings
    destinations: tuple[DestinationSettings, ...]
    segment: SegmentSettings = SegmentSettings()
    health: HealthSettings = HealthSettings()
    retry: RetrySettings = RetrySettings()


def read_settings(path: Path) -> NodeSettings:
    """Read a node's TOML file and check it.

    Args:
        path: of the file; a relative `folder` in it is meant from the file's own folder.

    Raises:
        SalusError: it is missing, no TOML, holds a key that is not known or a value that makes no sense.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "node.toml"
        >>> _ = path.write_text('''
        ... folder = "queue"
        ... listen = {allowed = ["SCANNER"]}
        ... destination = [{name = "archive", url = "http://orthanc:8042/dicom-web"}]
        ... ''')
        >>> read_settings(path).listen.port
        11112
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file; docs/how-to/node.md shows one") from None
    except OSError as error:
        raise SalusError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SalusError(f"{path}: is no TOML ({error})") from None
    try:
        return _read(path, content)
    except SalusError as error:
        raise SalusError(f"{path}: {error}") from None


def _read(path: Path, content: dict[str, Any]) -> NodeSettings:
    sections = ("folder", "listen", "segment", "health", "retry", "destination")
    if unknown := next((name for name in content if name not in sections), None):
        raise SalusError(f"{unknown!r} is not known; there are {', '.join(sections)}")
    if not isinstance(content.get("folder"), str) or not content["folder"]:
        raise SalusError('folder is missing; write folder = "..." before the first section')
    items = content.get("destination", [])
    if not isinstance(items, list) or not items:
        raise SalusError("there is no destination; write [[destination]] with a name, and a url or an ae_title")
    destinations = tuple(_section(DestinationSettings, item, "destination") for item in items)
    settings = NodeSettings(
        folder=path.absolute().parent / content["folder"],
        listen=_section(ListenSettings, content.get("listen", {}), "listen"),
        destinations=destinations,
        segment=_section(SegmentSettings, content.get("segment", {}), "segment"),
        health=_section(HealthSettings, content.get("health", {}), "health"),
        retry=_section(RetrySettings, content.get("retry", {}), "retry"),
    )
    _check(settings)
    return settings


def _section(kind: type[T], content: Any, name: str) -> T:
    """Make a section's settings, its keys and the types of its values checked."""
    if not isinstance(content, dict):
        raise SalusError(f"{name} is no section; write [{name}]")
    types = get_type_hints(kind)
    values = {}
    for key, value in content.items():
        if key not in types:
            raise SalusError(f"{key!r} is not known in [{name}]; there are {', '.join(types)}")
        wanted = types[key]
        if wanted is float and type(value) is int:
            value = float(value)
        is_right = (
            isinstance(value, list) and all(isinstance(item, str) for item in value)
            if wanted == list[str]
            else type(value) is wanted
        )
        if not is_right:
            what = "a list of texts" if wanted == list[str] else {str: "a text", int: "a whole number"}.get(wanted)
            what = what or {bool: "true or false", float: "a number"}[wanted]
            raise SalusError(f"{key} in [{name}] is {value!r}; give {what}")
        values[key] = value
    for item in fields(kind):  # type: ignore[arg-type]  # they all are dataclasses
        if item.default is MISSING and item.default_factory is MISSING and item.name not in values:
            raise SalusError(f"{item.name} is missing in [{name}]")
    return kind(**values)


def _check(settings: NodeSettings) -> None:
    """Check what values mean, beyond their types."""
    listen, segment = settings.listen, settings.segment
    titles = [listen.ae_title, *(t for t in listen.allowed if t != ANY)]
    titles += [d.ae_title for d in settings.destinations if d.ae_title]
    for title in titles:
        if not (title.strip() and len(title) <= 16 and title.isascii() and title.isprintable() and "\\" not in title):
            raise SalusError(f"{title!r} is no AE title; it has 1 to 16 letters, digits and signs")
    if not listen.allowed:
        raise SalusError('allowed in [listen] is empty; name the senders\' AE titles, or ["*"] for every one')
    for name, port in {"listen": listen.port, "health": settings.health.port}.items():
        if not 0 <= port <= 65535:
            raise SalusError(f"port {port} in [{name}]: give a number up to 65535")
    for name, number in {
        "max_mb": listen.max_mb,
        "max_associations": listen.max_associations,
        "max_queued": listen.max_queued,
        "workers": segment.workers,
    }.items():
        if number < 1:
            raise SalusError(f"{name} is {number}; give 1 or more")
    if not 0 <= listen.remember_days < float("inf"):
        raise SalusError(f"remember_days is {listen.remember_days}; give days, or 0 to remember for ever")
    if unknown := next((name for name in segment.outputs if name not in PRODUCT_OF_OUTPUT), None):
        raise SalusError(f"output {unknown!r} is not known; there are {', '.join(PRODUCT_OF_OUTPUT)}")
    if not segment.outputs:
        raise SalusError(f"outputs is empty; choose from {', '.join(PRODUCT_OF_OUTPUT)}")
    if segment.deidentify and segment.whole_image:
        raise SalusError("whole_image shows what deidentify hides; leave out one of them")
    if not 0 < settings.retry.first <= settings.retry.longest:
        raise SalusError("first in [retry] must be above 0, and longest not below it")
    names = [destination.name for destination in settings.destinations]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise SalusError(f"two destinations are called {repeated!r}")
    for destination in settings.destinations:
        _check_destination(destination)


def _check_destination(destination: DestinationSettings) -> None:
    name = destination.name
    if not NAME.fullmatch(name):
        raise SalusError(f"destination {name!r}: a name has up to 32 letters, digits, - and _")
    if bool(destination.url) == bool(destination.ae_title):
        raise SalusError(f"destination {name!r}: give a url (STOW-RS), or ae_title, host and port (C-STORE)")
    if destination.ae_title and not (destination.host and 0 < destination.port <= 65535):
        raise SalusError(f"destination {name!r}: give its host and port beside ae_title")
    if destination.url and not destination.url.startswith(("http://", "https://")):
        raise SalusError(f"destination {name!r}: its url must begin with http:// or https://")
    destination.check_access(f"destination {name!r}")
