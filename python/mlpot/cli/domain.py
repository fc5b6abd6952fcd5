"""mlpot cover, grade and select."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlpot.cli.screen import progress_bar, stdout

Rule = Annotated[
    str | None,
    typer.Option(help="range or d_optimal; default: d_optimal where the model has an active set."),
]
Data = Annotated[list[Path], typer.Argument(help="Files of structures; they need no labels.")]


def cover(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    data: Annotated[list[Path], typer.Argument(help="The files of its training set.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    rows: Annotated[
        str,
        typer.Option(help="Of the active set: atoms, structures, none, or auto (atoms if small)."),
    ] = "auto",
) -> None:
    """Tell a model what its training set covers; [bold]mlpot fit[/] does it by itself."""
    from typing import get_args

    from mlpot import io
    from mlpot.coverage import Rows, coverage
    from mlpot.errors import InputError, did_you_mean
    from mlpot.model import Model

    if rows not in (known := get_args(Rows)):
        hint = did_you_mean(rows, known)
        raise InputError(f"--rows {rows!r}: must be one of {', '.join(known)}{hint}")
    loaded = Model.load(model)
    frames = io.structures(data, elements=loaded.elements)
    with progress_bar() as progress:
        covered = coverage(loaded, frames, rows, progress)
    Model({**loaded.data, **covered}).save(output)
    has = " and an active set" if covered["active_set"] else ""
    stdout.print(
        f"{output}: ranges{has} of {len(frames)} structures, {sum(map(len, frames))} atoms",
        soft_wrap=True,
    )


def grade(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    data: Data,
    rule: Rule = None,
    threshold: Annotated[float, typer.Option(help="Grades above it are counted.")] = 1.0,
    worst: Annotated[int, typer.Option(min=0, help="How many structures to name.")] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write all grades to this file.")
    ] = None,
) -> None:
    """Extrapolation grades: how far structures are outside the training set (at most 1 inside)."""
    import json

    from mlpot import io
    from mlpot.files import write_atomic
    from mlpot.grade import grade as grade_of
    from mlpot.grade import rule_of
    from mlpot.model import Model

    loaded = Model.load(model)
    chosen = rule_of(loaded, rule)
    frames = io.structures(data, elements=loaded.elements)
    with progress_bar() as progress:
        found = [grade_of(loaded, a, chosen) for a in progress.track(frames, description="grades")]
    stdout.print(_table(f"{loaded.name}, {chosen}", frames, found, threshold))
    ranked = sorted(zip(found, frames, strict=True), key=lambda pair: -pair[0].of_structure)
    for one, atoms in ranked[:worst]:
        if one.of_structure > threshold:
            stdout.print(
                f"{one.of_structure:<8.4g} {atoms.info['source']}: {one}",
                markup=False,
                soft_wrap=True,
            )
    if json_file is not None:
        rows = [
            {
                "source": atoms.info["source"],
                "grade": one.of_structure,
                "atoms": None if one.of_atoms is None else one.of_atoms.tolist(),
            }
            for one, atoms in zip(found, frames, strict=True)
        ]
        write_atomic(json_file, json.dumps({"rule": chosen, "structures": rows}, indent=1) + "\n")


def select(
    data: Data,
    model: Annotated[Path, typer.Option("--model", "-m", help="The model that knows its domain.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Extended XYZ (.xyz, .xyz.xz).")],
    rule: Rule = None,
    threshold: Annotated[float, typer.Option(help="Take structures with a grade above it.")] = 1.0,
    at_most: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="As if the model had seen nothing yet.")
    ] = False,
    rows: Annotated[
        str, typer.Option(help="With --afresh: atoms, or structures by sums over their atoms.")
    ] = "atoms",
    save_model: Annotated[
        Path | None, typer.Option(help="Write the model with the wider domain to this file.")
    ] = None,
) -> None:
    """Select the structures that hold something new; each one taken widens the domain."""
    from mlpot import io
    from mlpot.domain import SETS
    from mlpot.errors import InputError, did_you_mean
    from mlpot.generate.frames import write
    from mlpot.grade import known_rule, rule_of
    from mlpot.model import Model
    from mlpot.select import select as select_from

    if rows not in SETS:
        raise InputError(f"--rows {rows!r}: must be atoms or structures{did_you_mean(rows, SETS)}")
    loaded = Model.load(model)
    chosen = known_rule(rule or "range") if afresh else rule_of(loaded, rule)
    frames = io.structures(data, elements=loaded.elements)
    with progress_bar() as progress:
        found = select_from(
            loaded, frames, chosen, threshold, rows=rows, afresh=afresh, at_most=at_most,
            progress=progress,
        )  # fmt: skip
    taken = [frames[index] for index in found.indices]
    if not taken:
        stdout.print(f"none of {len(frames)} structures has a grade above {threshold:g}")
        return
    write(taken, output)
    stdout.print(f"{output}: {len(taken)} of {len(frames)} structures", soft_wrap=True)
    if save_model is not None:
        found.model.save(save_model)
        stdout.print(f"{save_model}: the model with the wider domain", soft_wrap=True)


def _table(title: str, frames: list, found: list, threshold: float) -> Any:
    from collections import defaultdict

    import numpy as np
    from rich.table import Table

    groups: dict[str, list] = defaultdict(list)
    for atoms, one in zip(frames, found, strict=True):
        groups[str(atoms.info.get("group", "all"))].append(one)
    if len(groups) > 1:
        groups["all"] = found
    table = Table(title=title)
    table.add_column("group")
    for name in ("structures", "above", "atoms", "above", "median", "greatest"):
        table.add_column(name, justify="right")
    for name, members in groups.items():
        grades = np.array([one.of_structure for one in members])
        atoms = [one.of_atoms for one in members if one.of_atoms is not None]
        of_atoms = np.concatenate(atoms) if atoms else np.empty(0)
        table.add_row(
            name,
            str(len(members)),
            str(np.sum(grades > threshold)),
            str(of_atoms.size) if atoms else "-",
            str(np.sum(of_atoms > threshold)) if atoms else "-",
            f"{np.median(grades):.3f}",
            f"{grades.max():.3f}",
        )
    return table


COMMANDS = [cover, grade, select]
