"""The error that a user's mistake raises: one line that says what is wrong, with which file, and what to do."""


class SalusError(Exception):
    """A mistake that the caller can correct; the command line prints it without a traceback and exits with 2."""
