"""The requests that clients of MONAI Label make: information, inference, images and labels, sessions, next image."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, Response

from salus import __version__
from salus.errors import SalusError
from salus.monai_label.inference import LABELS, describe_models, infer
from salus.monai_label.label_file import encode_labels
from salus.monai_label.sessions import Sessions
from salus.monai_label.store import FINAL, ImageStore, UnknownImage, checksum, image_name, image_suffix
from salus.segmentation.segmenter import Segmenter

routes = APIRouter()

BYTES = "application/octet-stream"

STRATEGY = "first"
"""The order in which images are given out: the first without a label."""

PIECE = 1 << 20
"""Bytes of an upload that are copied at a time."""


@dataclass(frozen=True)
class LabelServer:
    """What the routes work on.

    Attributes:
        segmenter: the network.
        store: images and labels.
        sessions: images that clients sent for a while.
        token: that clients must carry; None demands none.
        max_bytes: largest size of a file that is sent.
        slots: images that are worked on at a time.
    """

    segmenter: Segmenter
    store: ImageStore
    sessions: Sessions
    token: str | None
    max_bytes: int
    slots: Semaphore


def server_of(request: Request) -> LabelServer:
    """Return the server of a request."""
    server: LabelServer = request.app.state.server
    return server


Server = Annotated[LabelServer, Depends(server_of)]
Params = Annotated[str, Form(description="JSON")]


@routes.get("/info/")
def info(server: Server) -> dict[str, Any]:
    """Describe models, labels and images."""
    return {
        "name": "Salus",
        "description": "Outlines breast tumours in ultrasound images. Research software, not a medical device.",
        "version": __version__,
        "labels": list(LABELS),
        "models": describe_models(server.segmenter),
        "trainers": {},
        "strategies": {STRATEGY: {"description": "The first image without a label", "config": {}}},
        "scoring": {},
        "train_stats": {},
        "datastore": server.store.status(),
    }


@routes.post("/infer/{model}")
def run_inference(
    server: Server,
    model: str,
    image: str = "",
    session_id: str = "",
    params: Params = "{}",
    file: Annotated[UploadFile | None, File()] = None,
    output: str = "all",
) -> Response:
    """Segment an image: of the folder, of a session, or sent here. A label map, what is told of it, or both."""
    if output not in ("all", "image", "json"):
        raise SalusError(f"output {output!r}: choose from all, image, json")
    parameters = _parse(params)
    with _sent(server, file) as sent:
        if sent is not None:
            path = sent
        elif session_id:
            path = server.sessions.get(session_id).image
        elif image:
            path = server.store.image(image).path
        else:
            raise SalusError("no image was named and none was sent")
        with server.slots:
            label_map = infer(server.segmenter, model, path, parameters)
    told = json.dumps(label_map.parameters)
    if output == "json":
        return Response(told, media_type="application/json")
    content, suffix = encode_labels(label_map.labels, label_map.affine, parameters)
    name = f"label-{secrets.token_hex(8)}{suffix}"
    if output == "image":
        return Response(content, media_type=BYTES, headers=_attachment(name))
    boundary = f"salus{secrets.token_hex(16)}"
    return Response(_multipart(boundary, told, name, content), media_type=f"multipart/form-data; boundary={boundary}")


@routes.post("/activelearning/{strategy}")
def next_sample(server: Server, strategy: str) -> dict[str, Any]:
    """Name the next image to label; an empty answer where all have a label."""
    image = server.store.next_image()
    if image is None:
        return {}
    return {"id": image.id, "name": image.path.name, "checksum": checksum(image.path), "strategy": strategy}


@routes.get("/datastore/")
def list_images(server: Server, output: str = "stats") -> dict[str, Any]:
    """Count the images and labels, or list them."""
    return server.store.listing() if output == "all" else server.store.status()


@routes.put("/datastore/")
@routes.put("/datastore/image")
def add_image(server: Server, file: Annotated[UploadFile, File()], image: str = "") -> dict[str, str]:
    """Keep an image."""
    with _sent(server, file) as sent:
        assert sent is not None
        name = file.filename or sent.name
        return {"image": server.store.add_image(image or image_name(name), name, sent).id}


@routes.api_route("/datastore/image", methods=["GET", "HEAD"])
def send_image(server: Server, image: str) -> FileResponse:
    """Send an image's file."""
    path = server.store.image(image).path
    return FileResponse(path, media_type=BYTES, filename=path.name)


@routes.put("/datastore/label")
def save_label(
    server: Server, image: str, label: Annotated[UploadFile, File()], tag: str = FINAL, params: Params = "{}"
) -> dict[str, str]:
    """Keep the label that a person saved."""
    _parse(params)
    if tag != FINAL:
        raise SalusError(f"tag {tag!r}: labels are kept as {FINAL!r} alone")
    with _sent(server, label, is_image=False) as sent:
        assert sent is not None
        server.store.save_label(image, label.filename or sent.name, sent)
    return {"image": image, "label": image}


@routes.api_route("/datastore/label", methods=["GET", "HEAD"])
def send_label(server: Server, label: str, tag: str = FINAL) -> FileResponse:
    """Send a label's file."""
    if tag != FINAL:
        raise UnknownImage(f"{label}: has no label {tag!r}")
    path = server.store.label(label)
    return FileResponse(path, media_type=BYTES, filename=path.name)


@routes.put("/session/")
def create_session(server: Server, files: Annotated[list[UploadFile], File()]) -> dict[str, Any]:
    """Keep an image for a while."""
    if len(files) != 1:
        raise SalusError(f"a session is of one file, {len(files)} were sent")
    with _sent(server, files[0]) as sent:
        assert sent is not None
        session = server.sessions.add(files[0].filename or sent.name, sent)
    return {"session_id": session.id, "session_info": session.to_dict()}


@routes.get("/session/{session_id}")
def get_session(server: Server, session_id: str) -> dict[str, Any]:
    """Describe a session."""
    return server.sessions.get(session_id).to_dict()


@routes.delete("/session/{session_id}")
def remove_session(server: Server, session_id: str) -> dict[str, Any]:
    """Remove a session and its image."""
    return server.sessions.remove(session_id).to_dict()


@routes.get("/train/")
def train_status() -> None:
    """Say that no training runs: `salus train` trains."""
    raise HTTPException(404, "no training runs here; salus train OUT trains on what was saved")


@routes.get("/auth/")
def authentication(server: Server) -> dict[str, bool]:
    """Tell whether a token is demanded."""
    return {"enabled": server.token is not None}


@routes.post("/auth/token")
def log_in(server: Server, password: Annotated[str, Form()], username: Annotated[str, Form()] = "") -> dict[str, Any]:
    """Take the token as a password, whatever the user's name is, for clients that ask for both."""
    if server.token is None:
        return {"access_token": None, "token_type": None}
    if not secrets.compare_digest(password.encode(), server.token.encode()):
        raise HTTPException(401, "another token is demanded")
    return {"access_token": server.token, "token_type": "bearer"}


@routes.get("/auth/token/valid")
def check_token() -> dict[str, str]:
    """Answer a request that carries the right token; others do not get here."""
    return {"username": ""}


def _parse(params: str) -> dict[str, Any]:
    try:
        parameters = json.loads(params or "{}")
    except (ValueError, RecursionError):
        parameters = None
    if not isinstance(parameters, dict):
        raise SalusError("params is no JSON object")
    return parameters


@contextmanager
def _sent(server: LabelServer, file: UploadFile | None, is_image: bool = True) -> Iterator[Path | None]:
    """Store a file that was sent for as long as it is worked on; None where none was.

    Raises:
        SalusError: it is too large, or no image by its name.
    """
    if file is None:
        yield None
        return
    if (file.size or 0) > server.max_bytes:
        raise HTTPException(413, f"the file is larger than {server.max_bytes >> 20} MiB")
    suffix = image_suffix(file.filename or "image.nii.gz") if is_image else ""
    with TemporaryDirectory(prefix="salus-label-") as folder:
        path = Path(folder) / f"sent{suffix}"
        with path.open("wb") as target:
            while piece := file.file.read(PIECE):
                target.write(piece)
        yield path


def _attachment(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _multipart(boundary: str, told: str, name: str, content: bytes) -> bytes:
    """Put JSON and a file into the body of an answer, with the names and types that the clients look for."""
    lines = [
        f"--{boundary}", 'Content-Disposition: form-data; name="params"', "Content-Type: application/json", "", told,
        f"--{boundary}", f'Content-Disposition: form-data; name="image"; filename="{name}"', f"Content-Type: {BYTES}",
        "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + content + f"\r\n--{boundary}--\r\n".encode()
