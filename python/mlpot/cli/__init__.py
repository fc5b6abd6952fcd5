"""The command line: mlpot fit, evaluate, properties, convert, info, init, generate, demo, ...

Commands live in files by theme and import what is heavy inside, so that --help is fast.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlpot.cli import domain, fitting, measure, models, search, tools
from mlpot.cli.screen import stderr
from mlpot.errors import InputError

__all__ = ["app", "main"]


class Group(TyperGroup):
    """Prints a user's mistake as one line and exits with code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            if (message := _mistake(error)) is None:
                raise
            stderr.print("[bold red]error:[/] ", end="")
            stderr.print(message, markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Interatomic potentials fitted to quantum-mechanical data, and run in LAMMPS.\n\n"
    "Start with [bold]mlpot demo[/], or with [bold]mlpot init[/] and [bold]mlpot fit[/].",
    rich_markup_mode="rich",
)
PANELS = {
    "Fit": fitting,
    "Models": models,
    "Extrapolation": domain,
    "Structure prediction": search,
    "Properties": measure,
    "Tools": tools,
}
for panel, module in PANELS.items():
    for command in module.COMMANDS:
        app.command(rich_help_panel=panel)(command)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"mlpot {version('mlpot')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    # Options that come before a command; what stands here has no docstring, for it would replace
    # the help of the whole program.
    pass


def main() -> None:
    """Entry point: exit code 2 for a user's mistake, 1 for a failed check, 130 for an interrupt."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


def _mistake(error: Exception) -> str | None:
    """The line for a mistake the user can mend; None for an error of the program."""
    if isinstance(error, InputError) or type(error).__module__ == "mlpot._core":
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None
