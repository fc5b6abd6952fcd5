"""mlpot generate, demo and doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpot.cli.screen import progress_bar, stdout

Kelvin = Annotated[
    list[str] | None, typer.Option("--temperature", "-T", help="K, or 0.9Tm; may be repeated.")
]


def generate(
    structure: Annotated[str, typer.Argument(help="bcc:Mo, fcc:Cu, ... or a file with a crystal.")],
    lammps: Annotated[
        list[str], typer.Option(help="A LAMMPS command of the reference potential; repeat it.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Extended XYZ (.xyz, .xyz.xz).")],
    md: Annotated[
        list[str] | None, typer.Option(help="As --lammps, for a cheaper one that moves the atoms.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="Ground, Elastic, Surface, AIMD-NVT, Vacancy; default: all."),
    ] = None,
    temperature: Kelvin = None,
    melting_point: Annotated[float | None, typer.Option(help="K, where it is not known.")] = None,
    snapshots: Annotated[int, typer.Option(min=0, help="Of each temperature.")] = 20,
    vacancy_snapshots: Annotated[int, typer.Option(min=0, help="The same with a vacancy.")] = 40,
    supercell: Annotated[int, typer.Option(min=1, help="Least number of atoms in dynamics.")] = 54,
    interval: Annotated[float, typer.Option(help="Between snapshots, fs.")] = 100.0,
    equilibration: Annotated[float, typer.Option(help="Before the first one, fs.")] = 1000.0,
    test_fraction: Annotated[float, typer.Option(help="Of each group.")] = 0.1,
    split: Annotated[
        bool, typer.Option("--split", help="Write two files: NAME_train.xyz and NAME_test.xyz.")
    ] = False,
    a: Annotated[float | None, typer.Option(help="Lattice constant to start from, Å.")] = None,
    seed: Annotated[int, typer.Option(help="Of all random choices.")] = 0,
) -> None:
    """Make training structures of a crystal, labelled by a LAMMPS potential.

    Example: mlpot generate bcc:Mo --lammps "pair_style snap" --lammps
    "pair_coeff * * Mo_Zuo_JPCA2020.snapcoeff Mo_Zuo_JPCA2020.snapparam Mo" -o Mo.xyz
    """
    from mlpot import generate as generator

    recipe = {
        "snapshots": snapshots,
        "vacancy_snapshots": vacancy_snapshots,
        "supercell": supercell,
        "melting_point": melting_point,
        "interval": interval,
        "equilibration": equilibration,
        "test_fraction": test_fraction,
    }
    if group:
        recipe["groups"] = group
    if temperature:
        recipe["temperatures"] = [
            float(t) if t.replace(".", "", 1).isdigit() else t for t in temperature
        ]
    with progress_bar() as progress:
        task = progress.add_task("structures", total=None)

        def show(done: int, total: int, label: str) -> None:
            progress.update(task, completed=done, total=total, description=label)

        frames = generator.generate(
            structure, calculator=lammps, md=md, a=a, seed=seed, progress=show, **recipe
        )
    for path, chosen in _files(frames, output, split).items():
        generator.write(chosen, path)
        stdout.print(f"{path}: {len(chosen)} structures", soft_wrap=True)
    stdout.print(generator.summary(frames))


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "mlpot-demo"
    ),
) -> None:
    """Generate data, fit a model and run it in LAMMPS: the whole path in a minute."""
    from mlpot import demo as demonstration

    demonstration.run(output)


def doctor(
    path: Annotated[
        bool, typer.Option("--plugin-path", help="Only print the value of LAMMPS_PLUGIN_PATH.")
    ] = False,
) -> None:
    """Check that Python, LAMMPS, the plugin and MPI work together."""
    from mlpot.doctor import checks
    from mlpot.plugin import plugin_path

    if path:
        print(plugin_path())
        return
    failed = False
    for check in checks():
        failed |= not check.ok
        stdout.print(str(check), style=None if check.ok else "red", markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _files(frames: list, output: Path, split: bool) -> dict[Path, list]:
    if not split:
        return {output: frames}
    name, dot, endings = output.name.partition(".")
    return {
        output.with_name(f"{name}_{part}{dot}{endings}"): [
            frame for frame in frames if frame.info["split"] == part
        ]
        for part in ("train", "test")
    }


COMMANDS = [generate, demo, doctor]
