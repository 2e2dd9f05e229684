"""Import OpenVINO quickly, and safely in several threads."""

from __future__ import annotations

import sys
import threading
from typing import Any

_IMPORT_LOCK = threading.Lock()
_CONVERTER = "openvino.tools.ovc"


def import_openvino() -> Any:
    """Import OpenVINO without its converter of other frameworks' models, which takes longer than all the rest.

    The converter is loaded when `openvino.convert_model` is first asked for, so nothing is missing for other code.
    """
    with _IMPORT_LOCK:
        without_converter = not {"openvino", _CONVERTER} & set(sys.modules)
        if without_converter:
            sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # OpenVINO goes on where it cannot import it
        try:
            import openvino
        finally:
            if without_converter:
                del sys.modules[_CONVERTER]
        if without_converter and not hasattr(openvino, "convert_model"):
            openvino.__getattr__ = _load_converter
        _ = openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data  # two threads' first tensors can deadlock
        return openvino


def _load_converter(name: str) -> Any:
    """Load what `import_openvino` left out; the `__getattr__` of the module openvino."""
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    from openvino.tools.ovc import convert_model

    return convert_model
