"""The one error a user's mistake raises: one line that says what is wrong, with which file, and what to do."""


class SalusError(Exception):
    """Something the caller can mend. The command line prints its message, without a traceback, and exits with 2."""
