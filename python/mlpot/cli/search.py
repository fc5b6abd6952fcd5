"""mlpot search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpot.cli.screen import progress_bar, stderr, stdout


def search(
    config: Annotated[
        Path, typer.Argument(help="The YAML file; [bold]mlpot init -m search[/] writes one.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder, instead of the one in CONFIG.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Predict crystal structures with a potential that learns as it searches.

    Rounds of: random structures, relaxed by the potential; what is new to it is labelled by the
    reference and learned. The lowest structures are ranked and verified. The same command goes on
    with a search that was stopped.
    """
    from mlpot.search import load_search
    from mlpot.search import search as run
    from mlpot.search.report import table

    settings = load_search(config)

    def say(line: str) -> None:
        warning = line.startswith("warning: ")
        if warning or not quiet:
            # In a terminal the bars are on stderr, and only that console prints above them.
            console = stderr if warning or stderr.is_terminal else stdout
            style = "yellow" if warning else None
            console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    with progress_bar(quiet) as progress:
        try:
            result = run(settings, output, progress, say)
        except KeyboardInterrupt:
            stderr.print("stopped; the same command goes on from here")
            raise
    if not quiet:
        stdout.print(table(result.found))
        for path in result.files:
            stdout.print(str(path), soft_wrap=True)


COMMANDS = [search]
