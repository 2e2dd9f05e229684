"""Import libraries without their parts that Salus does not need, so that a command starts sooner."""

from __future__ import annotations

import sys
from types import ModuleType

UNUSED = ("f2py", "testing")
"""Parts of NumPy, loaded on first use, that SciPy makes use of by copying NumPy's names (1.14 to 1.17 at least)."""


def import_scipy() -> None:
    """Import SciPy without NumPy's compiler of Fortran and its tools for tests, which takes 0.1 s less.

    They stay usable: once SciPy is there, NumPy loads them when they are first asked for.
    """
    import numpy as np

    stand_ins = {name: ModuleType(f"numpy.{name}") for name in UNUSED if f"numpy.{name}" not in sys.modules}
    vars(np).update(stand_ins)
    try:
        import scipy.ndimage
    finally:
        for name, stand_in in stand_ins.items():
            if vars(np).get(name) is stand_in:
                delattr(np, name)
    del scipy
