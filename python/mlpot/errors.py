"""The one exception for what a user can mend, and its spelling help."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """A mistake in what the user gave: one line naming the file, the place and what would be right.

    The library raises it, the command line prints it and exits with code 2.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """'; did you mean 'x'?' for the nearest of `known`, or '' when none is near."""
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
