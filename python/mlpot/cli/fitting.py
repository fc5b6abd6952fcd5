"""mlpot init, fit and evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpot.cli.screen import progress_bar, stderr, stdout


def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("fit.yaml"),
    method: Annotated[
        str, typer.Option("--method", "-m", help="snap, mtp, nnp, kruglov; or search.")
    ] = "snap",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented configuration for [bold]mlpot fit[/] or [bold]mlpot search[/]."""
    from mlpot.errors import InputError
    from mlpot.examples import example_config
    from mlpot.files import write_atomic

    if file.exists() and not force:
        raise InputError(f"{file}: is there already; --force replaces it")
    write_atomic(file, example_config(method))
    if method == "search":
        stdout.print(f"{file}: a search that runs as it is: mlpot search {file}")
    else:
        stdout.print(f"{file}: set name, data and descriptor in it, then: mlpot fit {file}")


def fit(
    config: Annotated[Path, typer.Argument(help="The YAML file; [bold]mlpot init[/] writes one.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder, instead of the one in CONFIG.")
    ] = None,
    max_memory: Annotated[
        str, typer.Option(help="Refuse to start a linear fit that needs more, such as 500MB.")
    ] = "1GiB",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that was stopped.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Fit a model: writes NAME.json, NAME.metrics.json, NAME.parity.png and NAME.log."""
    from mlpot.config import load_config
    from mlpot.design import parse_bytes
    from mlpot.fit import fit as run_fit

    settings = load_config(config)
    if output is not None:
        settings = settings.model_copy(update={"output": str(output.absolute())})
    with progress_bar(quiet) as progress:
        result = run_fit(settings, None if quiet else progress, parse_bytes(max_memory), resume)
    for text in result.warnings:
        stderr.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)
    if quiet:
        return
    stdout.print(result.metrics_train.table("Training"))
    if result.metrics_test:
        stdout.print(result.metrics_test.table("Test"))
    stdout.print(result.outcome.summary)
    for path in result.files:
        stdout.print(str(path), soft_wrap=True)


def evaluate(
    files: Annotated[
        list[Path], typer.Argument(help="Model files, then files of structures with references.")
    ],
    lammps: Annotated[
        list[str] | None,
        typer.Option(
            help="A LAMMPS command of a potential; repeat it. pair_style begins a new one."
        ),
    ] = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align", help="Take off a constant energy of each element, by the best fit."
        ),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the errors to this file.")
    ] = None,
) -> None:
    """Compare models and LAMMPS potentials with reference energies, forces and stresses.

    Example: mlpot evaluate Cu.json Cu_test.xyz --align --lammps "pair_style eam/alloy" --lammps
    "pair_coeff * * Cu_mishin1.eam.alloy Cu"
    """
    import json

    from mlpot import io, metrics
    from mlpot.evaluation import methods_of, split_files
    from mlpot.files import write_atomic

    models, data = split_files(files, bool(lammps))
    dataset = io.read(data, elements=models[0].elements if models else None)
    for text in dataset.report.warnings:
        stderr.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)
    errors = {}
    with progress_bar() as progress:
        for name, method in methods_of(models, lammps or [], dataset.frames):
            errors[name] = metrics.evaluate(method, dataset.frames, progress, align)
    for name, found in errors.items():
        if found.offset:
            text = f"{name}: energies are off by {found.offset:+.3f} eV/atom; --align takes it off"
            stderr.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)
    if len(errors) == 1:
        ((name, found),) = errors.items()
        stdout.print(found.table(f"{name} on {len(dataset)} structures"))
    else:
        stdout.print(metrics.comparison(errors, f"{len(dataset)} structures"))
    if json_file is not None:
        rows = {name: found.to_dict() for name, found in errors.items()}
        content = rows if len(rows) > 1 or lammps else next(iter(rows.values()))
        write_atomic(json_file, json.dumps(content, indent=1) + "\n")


COMMANDS = [init, fit, evaluate]
