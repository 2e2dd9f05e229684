"""The error that a user's mistake raises: one line that says what is wrong, with which file, and what to do."""

from collections.abc import Iterable
from importlib.util import find_spec


class SalusError(Exception):
    """A mistake that the caller can correct; the command line prints it without a traceback and exits with 2."""


def require_extra(packages: Iterable[str], extra: str, purpose: str) -> None:
    """Check that the packages of an optional part of Salus are installed.

    Args:
        packages: names by which they are imported.
        extra: the extra of `pip install "salus[...]"` that has them.
        purpose: what needs them, for the message.

    Raises:
        SalusError: one is missing; the error names the command that installs it.

    Example:
        >>> require_extra(("json",), "serve", "salus serve")
        >>> require_extra(("no_such_package",), "serve", "salus serve")
        Traceback (most recent call last):
        salus.errors.SalusError: salus serve needs more packages; pip install "salus[serve]"
    """
    if any(find_spec(name) is None for name in packages):
        raise SalusError(f'{purpose} needs more packages; pip install "salus[{extra}]"')
