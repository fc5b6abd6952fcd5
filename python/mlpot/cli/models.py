"""mlpot info, verify, convert and export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlpot.cli.screen import stdout


def info(model: Annotated[Path, typer.Argument(help="A model file.")]) -> None:
    """Show what a model is, where it comes from, and how to run it in LAMMPS."""
    import json

    from rich.table import Table

    from mlpot.model import Model

    loaded = Model.load(model)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _facts(loaded).items():
        table.add_row(name, value, style=None)
    stdout.print(table, markup=False)
    descriptor = {key: _short(value) for key, value in loaded.data["descriptor"].items()}
    stdout.print("\ndescriptor", json.dumps(descriptor), markup=False, soft_wrap=True)
    elements = " ".join(loaded.elements)
    stdout.print("\nLAMMPS (elements by atom type):", style="dim")
    stdout.print(f"pair_style mlpot\npair_coeff * * {model} {elements}", soft_wrap=True)


def convert(
    files: Annotated[list[Path], typer.Argument(help="E.g. a .snapcoeff and its .snapparam.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    elements: Annotated[
        str | None, typer.Option(help="Elements in order: Nb,Mo. Needed for an .mtp.")
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(
            help="Of n2p2 files: bohr,hartree (default), angstrom,eV or cflength,cfenergy."
        ),
    ] = None,
) -> None:
    """Turn another program's potential into a model file."""
    from mlpot import convert as converter

    expected = elements.replace(",", " ").split() if elements else None
    model = converter.convert(files, expected, units)
    model.save(output)
    stdout.print(f"{output}: {model.name}, {' '.join(model.elements)}", soft_wrap=True)


def export(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    format: Annotated[str, typer.Option("--format", "-f", help="snap, n2p2 or mtp.")],
    stem: Annotated[
        Path | None, typer.Option("--output", "-o", help="STEM.* or folder STEM; default: MODEL's.")
    ] = None,
) -> None:
    """Write a model as another program's files."""
    from mlpot import convert as converter
    from mlpot.model import Model

    loaded = Model.load(model)
    for path in converter.export(loaded, format, stem or model.with_suffix("")):
        stdout.print(str(path), soft_wrap=True)


def _short(value: Any) -> Any:
    """What a block says, but for long tables such as those of symmetry functions."""
    long = isinstance(value, list) and len(str(value)) > 100
    return f"{len(value)} entries, see the file" if long else value


def _facts(model: Any) -> dict[str, str]:
    """What the table of `mlpot info` says."""
    data, potential = model.data, model.potential()
    core, provenance = data["core"], data["provenance"]
    e0 = (f"{symbol} {e:.6g}" for symbol, e in zip(model.elements, data["E0"], strict=True))
    facts = {
        "model": f"{model.name} (format {data['version']})",
        "E0, eV": ", ".join(e0),
        "cutoff": f"{potential.r_cut:g} Å, {_smoothness(potential.smoothness)}",
        "descriptor": f"{data['descriptor']['type']}, {potential.n_features} numbers an atom",
        "regressor": f"{data['regressor']['type']}, {potential.n_parameters} coefficients"
        + (", of the mean features" if data["pooling"] == "structure" else ""),
        **({"pair term": _pair(data["pair"])} if data["pair"] else {}),
        "core": f"{core['type']} {core['inner']:g} to {core['outer']:g} Å" if core else "none",
        "grades": _grades(data),
        "source": str(provenance.get("source", provenance.get("converted_from", "unknown"))),
    }
    for split, files in provenance.get("data", {}).items():
        if files:
            facts[f"{split} data"] = ", ".join(f"{f['file']} ({f['structures']})" for f in files)
    for split, errors in provenance.get("errors", {}).items():
        if errors:
            facts[f"{split} error"] = _error_line(errors)
    return facts


def _pair(block: dict[str, Any]) -> str:
    where = f"inside {block['r_cut']:g} Å" if block["sum"] == "cut" else "over the lattice (Ewald)"
    return f"r^-k with k = {', '.join(map(str, block['powers']))}, {where}"


def _grades(data: dict[str, Any]) -> str:
    found = ["range"] * bool(data["ranges"])
    if data["active_set"]:
        found.append(f"d_optimal (of {data['active_set']['rows']})")
    return ", ".join(found) or "none; mlpot cover adds what the training set covers"


def _smoothness(derivatives: int) -> str:
    if derivatives >= 1000:
        return "with nothing that ends there"
    if derivatives < 0:
        return "where the energy jumps: not for MD"
    s = "" if derivatives == 1 else "s"
    return f"where the energy is C{derivatives} ({derivatives} continuous derivative{s})"


def _error_line(errors: dict[str, Any]) -> str:
    energy, force = errors["energy_mae_meV_per_atom"], errors["force_mae_eV_per_A"]
    parts = [f"{energy:.3g} meV/atom"] if energy is not None else []
    parts += [f"{force:.3g} eV/Å"] if force is not None else []
    return f"MAE {', '.join(parts)}"


def verify(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    structure: Annotated[
        str | None,
        typer.Option("--structure", "-s", help="Its crystal: bcc:Mo, ... or a file."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Some checks: forces,virial.")] = None,
) -> None:
    """Check a model's physics, in Python and in LAMMPS, on 1 to 4 ranks (a minute).

    forces, virial: the derivatives of the energy. sums: of atoms' energies and stresses.
    periodicity: repeated cells. agreement: of LAMMPS and Python. ranks: of 1, 2, 3 and 4.
    contacts: atoms on top of each other. frame: rotations, order, ids. cutoff: no jumps. nve:
    conservation of energy. The exit code is 1 where one fails.
    """
    from rich.table import Table

    from mlpot.cli.screen import progress_bar, stderr
    from mlpot.model import Model
    from mlpot.verify import choose
    from mlpot.verify import verify as run

    loaded, failed = Model.load(model), False
    table = Table(title=f"Checks of {loaded.name}")
    for head in ("check", "what", "found", "bound", ""):
        table.add_column(head, justify="right" if head in ("found", "bound") else "left")
    with progress_bar() as progress:
        task = progress.add_task("verifying", total=len(choose(only or ())))
        for check in run(loaded, structure, tuple(only or ())):
            failed |= not check.ok
            for what, (value, low, high) in check.values.items():
                bound = f"{low:g} to {high:g}" if low else f"{high:.0e}" if high else "0"
                ok = low <= value <= high
                mark = "[green]ok[/]" if ok else "[bold red]FAIL[/]"
                table.add_row(check.name, what, f"{value:.3g}", bound, mark)
            if check.problem:
                if not check.values:
                    table.add_row(check.name, "not done", "", "", "[bold red]FAIL[/]")
                stderr.print(f"{check.name}: {check.problem}", markup=False, soft_wrap=True)
            progress.advance(task)
    stdout.print(table)
    if failed:
        raise typer.Exit(1)


COMMANDS = [info, verify, convert, export]
