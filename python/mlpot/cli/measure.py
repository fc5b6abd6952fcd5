"""mlpot properties, compare and order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlpot.cli.screen import progress_bar, stderr, stdout

Lammps = Annotated[
    list[str] | None,
    typer.Option(
        help="A LAMMPS command of a potential, such as 'pair_style snap'; repeat it. Each "
        "pair_style begins another potential.",
    ),
]
Names = Annotated[
    list[str] | None, typer.Option("--name", help="Of the potentials, in order; repeat it.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting, such as vacancy.images=9; repeat it. See --list."),
]


def properties(
    models: Annotated[list[Path] | None, typer.Argument(help="Model files.")] = None,
    structure: Annotated[
        str, typer.Option("--structure", "-s", help="bcc:Mo, fcc:Cu, ... or a file with a crystal.")
    ] = "",
    lammps: Lammps = None,
    name: Names = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Some properties: elastic,vacancy; or all. See --list.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder: properties.json, report.md and plots."),
    ] = None,
    settings: Settings = None,
    a: Annotated[float | None, typer.Option(help="Lattice constant to start from, Å.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="A model that snapshots of dynamics are compared with.")
    ] = None,
    reference_lammps: Annotated[
        list[str] | None, typer.Option(help="The same as LAMMPS commands; repeat it.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Show all properties with their settings.")
    ] = False,
) -> None:
    """Measure properties of a crystal by models and by any LAMMPS pair style, side by side.

    Examples: mlpot properties Mo.json --structure bcc:Mo -o Mo

    mlpot properties Mo.json -s bcc:Mo --only elastic,vacancy --lammps "pair_style snap"
    --lammps "pair_coeff * * Mo_Zuo_JPCA2020.snapcoeff Mo_Zuo_JPCA2020.snapparam Mo"

    What a potential does not have is said so; the exit code is 1 where that is a whole property.
    """
    from contextlib import ExitStack

    from mlpot.errors import InputError
    from mlpot.generate import parse_structure
    from mlpot.properties import show as shown
    from mlpot.properties.methods import opened
    from mlpot.properties.run import choose, measure

    if show:
        _list()
        return
    if not structure:
        raise InputError("--structure is missing: bcc:Mo, or a file with a crystal")
    choose(only or ())
    crystal = parse_structure(structure, a)
    elements = sorted(set(crystal.symbols))
    with ExitStack() as stack:
        methods = stack.enter_context(opened(models or (), lammps or (), elements, name or ()))
        second = None
        if reference or reference_lammps:
            models = [reference] if reference else []
            others = stack.enter_context(opened(models, reference_lammps or (), elements))
            second = others[0].calculator
        progress = stack.enter_context(progress_bar())
        found = measure(crystal, methods, only or (), parse(settings), second, progress)
    stdout.print(shown.table(found, structure), *shown.distances(found))
    for line in shown.failures(found):
        stderr.print(f"failed: {line}", style="yellow", markup=False, soft_wrap=True)
    if output is not None:
        for path in shown.write(found, output, f"Properties of {structure}"):
            stdout.print(str(path), soft_wrap=True)
    if any(name not in measured.results for measured in found for name in measured.failures):
        raise typer.Exit(1)


def compare(
    reference: Annotated[
        Path,
        typer.Option(
            "--reference", "-r", help="JSON of reference values, as benchmarks/reference has."
        ),
    ],
    models: Annotated[
        list[Path] | None, typer.Argument(help="Model files, or a properties.json.")
    ] = None,
    lammps: Lammps = None,
    name: Names = None,
    element: Annotated[str | None, typer.Option(help="If the models do not say it.")] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Also show the potentials in the reference file.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder: comparison.md, properties.json.")
    ] = None,
    settings: Settings = None,
) -> None:
    """Compare crystal, elastic constants and vacancy with DFT: Table II of Zuo et al. (2020).

    Example: mlpot compare Mo.json --reference zuo2020_properties.json --published
    """
    from mlpot.errors import InputError
    from mlpot.evaluation import unique_name
    from mlpot.files import write_atomic
    from mlpot.generate import parse_structure
    from mlpot.properties import compare as comparison
    from mlpot.properties import show as shown
    from mlpot.properties.methods import element_of, opened
    from mlpot.properties.run import measure

    earlier = {path: comparison.load_measured(path) for path in models or ()}
    files = [path for path, measured in earlier.items() if measured is None]
    element = element or element_of(files, lammps or ())
    known = comparison.load_reference(reference, element)
    columns = {f"{k} (published)": v for k, v in known.potentials.items()} if published else {}
    taken = set(columns)
    for measured in earlier.values():
        columns |= {unique_name(k, taken): v for k, v in (measured or {}).items()}
    if files or lammps:
        crystal = parse_structure(known.structure)
        symbols = sorted(set(crystal.symbols))
        with (
            opened(files, lammps or (), symbols, name or ()) as methods,
            progress_bar() as progress,
        ):
            found = measure(
                crystal, methods, comparison.PROPERTIES, parse(settings), None, progress
            )
        columns |= {unique_name(m.name, taken): m.to_dict() for m in found}
        for line in shown.failures(found):
            stderr.print(f"failed: {line}", style="yellow", markup=False, soft_wrap=True)
        if output is not None:
            shown.write(found, output, f"Properties of {known.structure}")
    if not columns:
        raise InputError("nothing to compare: name models, --lammps commands or --published")
    rows = comparison.compare(known, columns)
    title = f"{known.structure} against DFT"
    stdout.print(comparison.table(rows, title))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        page = comparison.markdown(rows, title, known.source)
        stdout.print(str(write_atomic(output / "comparison.md", page)), soft_wrap=True)


def parse(settings: list[str] | None) -> dict[str, dict[str, Any]]:
    """{"vacancy": {"images": 9}} of ["vacancy.images=9"]; values are read as YAML."""
    from mlpot.errors import InputError
    from mlpot.strict_yaml import parse_yaml

    parsed: dict[str, dict[str, Any]] = {}
    for text in settings or ():
        key, equals, value = text.partition("=")
        name, dot, setting = key.strip().partition(".")
        if not (equals and dot):
            raise InputError(f"--set {text!r}: write property.setting=value, vacancy.images=9")
        parsed.setdefault(name, {})[setting] = parse_yaml(value, f"--set {text!r}")[0]
    return parsed


def _list() -> None:
    from rich.table import Table

    from mlpot.properties import PROPERTIES

    table = Table(title="Properties and the defaults of their settings (--set name.setting=value)")
    for head in ("name", "what", "settings"):
        table.add_column(head)
    for p in PROPERTIES:
        usual = "" if p.usual else " (only where asked for)"
        what = (p.function.__doc__ or "").splitlines()[0]
        settings = "\n".join(f"{key} = {value}" for key, value in p.settings().items())
        table.add_row(p.name, what + usual, settings)
    stdout.print(table, markup=False)


def order(
    files: Annotated[list[Path], typer.Argument(help="Files of structures, any that ASE reads.")],
    atoms: Annotated[bool, typer.Option("--atoms", help="Also a line for each atom.")] = False,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="The form in potentials: tapered, broader Gaussians.")
    ] = False,
    r_max: Annotated[
        float | None, typer.Option(help="Å; default 10, with --smooth the cutoff, 6.")
    ] = None,
    delta: Annotated[float, typer.Option(help="Width of a bin, Å.")] = 0.08,
    sigma: Annotated[
        float | None, typer.Option(help="Of the Gaussians, Å; default 0.03, with --smooth 0.1.")
    ] = None,
) -> None:
    """Order parameters of structures, as USPEX defines them: high in crystals, low in glasses.

    The mean over the atoms (A_order) and that of the whole structure (S_order).
    """
    from rich.table import Table

    from mlpot.io import structures
    from mlpot.order import R_MAX, SIGMA, smooth_order
    from mlpot.order import order as by_uspex

    reach, width = (6.0, 0.1) if smooth else (R_MAX, SIGMA)
    reach = reach if r_max is None else r_max
    width = width if sigma is None else sigma
    table = Table("structure", *(["atom"] if atoms else []))
    for head in ("mean of atoms", *([] if smooth else ["structure"])):
        table.add_column(head, justify="right")
    for file in files:
        for k, frame in enumerate(structures(file)):
            found = (smooth_order if smooth else by_uspex)(frame, reach, delta, width)
            name = f"{file.name} {k} {frame.get_chemical_formula()}"
            last = [] if found.structure is None else [f"{found.structure:.4f}"]
            table.add_row(name, *([""] if atoms else []), f"{found.mean:.4f}", *last)
            for i, (symbol, p) in enumerate(zip(frame.symbols, found.atoms, strict=True)):
                if atoms:
                    table.add_row("", f"{i} {symbol}", f"{p:.4f}")
    stdout.print(table)


COMMANDS = [properties, compare, order]
