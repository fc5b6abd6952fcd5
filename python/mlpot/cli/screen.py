"""What the commands print to: results to stdout, progress and errors to stderr."""

from __future__ import annotations

import sys

from rich.console import Console

# A pipe or file has no width: 80 columns would cut the tables.
stdout = Console(width=None if sys.stdout.isatty() else 120)
stderr = Console(stderr=True)


def progress_bar(quiet: bool = False):
    """A rich progress on stderr that shows nothing where that is not a terminal."""
    from rich.progress import Progress

    return Progress(console=stderr, transient=True, disable=quiet or not stderr.is_terminal)
