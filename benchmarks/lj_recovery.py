"""Pair potentials recovered from the energies of random crystals: Lennard-Jones and ionic.

    python benchmarks/lj_recovery.py [--structures 2000] [--ionic] [--workers 2] [--output DIR]

Random A_x B_y crystals (2 to 10 atoms, cells of 60 to 120 degrees) get their energies from LAMMPS:
lj/long/coul/long with ewald/disp, energies within -30 to -2 epsilon an atom; or, with --ionic,
born/coul/long with ewald, any composition of Na and Cl.  A pair term with all powers 1 to 15 for
each pair (ionic: 1 and 6 to 15, since 2 to 5 and 1 together fit anything without meaning) is fitted
to 4/5 of them, once with all of these and once with backward elimination, and tested on the rest.
Written to DIR: the models, V(r) over the reference (PNG), and recovery.json.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from rich.console import Console
from rich.table import Table

from mlpot.config import parse_config
from mlpot.files import write_atomic
from mlpot.fit import fit
from mlpot.generate import random_structures, volume_scan, write
from mlpot.io import with_labels
from mlpot.lammps import LammpsEngine
from mlpot.lattice_sums import LatticeSums, pairs, shortest_distances
from mlpot.model import Model
from mlpot.pair import curves, figure

ELEMENTS = ["Ar", "Kr"]
SIGMA = np.array([1.0, 0.95, 0.9])  # of AA, AB, BB
# ewald/disp takes r^-6 of unlike pairs as the geometric mean, whatever their r^-12.
C6 = 4.0 * np.array([2.0 * 1.0**6, 0.0, 3.0 * 0.9**6])
C6[1] = np.sqrt(C6[0] * C6[2])
EPSILON = C6 / 4.0 / SIGMA**6
C12 = 4.0 * EPSILON * SIGMA**12
R_CUT, G_EWALD = 16.0, 0.42  # sigma
PRECISION = 1e-11  # epsilon an atom: of LAMMPS' energies, seen in comparison with exact sums
BETWEEN = (-30.0, -2.0)  # epsilon an atom

LENNARD_JONES = [
    f"pair_style lj/long/coul/long long off {R_CUT}",
    *(
        f"pair_coeff {i} {j} {float(e)!r} {float(s)!r}"
        for (i, j), e, s in zip(((1, 1), (1, 2), (2, 2)), EPSILON, SIGMA, strict=True)
    ),
    "pair_modify mix geometric table/disp 0",
    "kspace_style ewald/disp 1e-12",
    f"kspace_modify gewald {G_EWALD}",  # gewald/disp would be wrong, silently
    "neigh_modify one 200000 page 2000000",
]

IONS = ["Cl", "Na"]
COULOMB = 14.399645  # eV Å, LAMMPS' in metal units
CHARGE = {"Cl": -1.0, "Na": 1.0}
BORN = {("Cl", "Cl"): (0.158, 3.170), ("Cl", "Na"): (0.211, 2.755), ("Na", "Na"): (0.264, 2.340)}
RHO = 0.317  # Å; BORN: A (eV) and sigma (Å) of A exp((sigma - r)/rho)
IONIC = [
    "atom_style charge",
    "pair_style born/coul/long 12.0",
    *(
        f"pair_coeff {IONS.index(a) + 1} {IONS.index(b) + 1} {strength} {RHO} {size} 0 0"
        for (a, b), (strength, size) in BORN.items()
    ),
    "pair_modify table 0",
    "kspace_style ewald 1e-12",
    "kspace_modify gewald 0.5",
    "neigh_modify one 200000 page 2000000",
]


class Ions(LammpsEngine):
    """LammpsEngine that gives its atoms their charges."""

    def load(self, atoms: Atoms, *arguments, **options) -> None:
        super().load(atoms, *arguments, **options)
        self.command(*(f"set type {k} charge {CHARGE[e]}" for k, e in enumerate(IONS, 1)))


def lennard_jones(count: int, seed: int) -> list[Atoms]:
    """Structures around the volume where their energy is least, which is where l^-6 and l^-12
    balance: at (2 C12/C6)^(1/6) times their own size."""
    rng = np.random.default_rng([seed, 1])
    sums = LatticeSums(ELEMENTS, [6, 12])
    frames: list[Atoms] = []
    drawn = random_structures(ELEMENTS, 100 * count, volume=(1.0, 2.0), min_distance=0.7, seed=seed)
    for atoms in drawn:
        x = sums.compute(atoms, derivatives=False).values.reshape(3, 2)
        sixth, twelfth = x[:, 0] @ C6, x[:, 1] @ C12
        stretch = (2.0 * twelfth / sixth) ** (1.0 / 6.0) * rng.uniform(0.93, 1.25)
        energy = (twelfth * stretch**-12 - sixth * stretch**-6) / len(atoms)
        if BETWEEN[0] <= energy <= BETWEEN[1]:
            frames += volume_scan(atoms, [stretch])
        if len(frames) == count:
            return frames
    raise AssertionError("too few structures within the range of energies")


def ionic(count: int, seed: int) -> list[Atoms]:
    """Dense and loose ones, of any composition: LAMMPS neutralises them with a background."""
    least = {("Cl", "Cl"): 2.0, ("Cl", "Na"): 1.7, ("Na", "Na"): 2.0}
    return list(random_structures(IONS, count, volume=(16.0, 100.0), min_distance=least, seed=seed))


def tail(atoms: Atoms) -> float:
    """Energy of r^-12 beyond R_CUT, which LAMMPS leaves out, with atoms spread evenly there."""
    a, b = ((atoms.symbols == e).sum() for e in ELEMENTS)
    strength = np.array([a * a, 2 * a * b, b * b]) @ C12
    return 2.0 * np.pi / atoms.get_volume() * strength / (9.0 * R_CUT**9)


def reduced(atoms: Atoms) -> Atoms:
    """The same crystal by shorter vectors: in oblique cells LAMMPS leaves out waves that matter
    (once in 8,000 of these, by 4e-6 epsilon an atom)."""
    cell, _ = minkowski_reduce(atoms.cell)
    return Atoms(atoms.symbols, atoms.positions, cell=cell, pbc=True)


def label(task: tuple[list[Atoms], bool]) -> list[Atoms]:
    frames, ions = task
    engine = Ions(IONIC, IONS) if ions else LammpsEngine(LENNARD_JONES, ELEMENTS, units="lj")
    with engine:
        energies = [engine.evaluate(reduced(atoms))["energy"] for atoms in frames]
    left = [0.0 if ions else tail(atoms) for atoms in frames]
    return [with_labels(a, float(e + t)) for a, e, t in zip(frames, energies, left, strict=True)]


def labelled(frames: list[Atoms], ions: bool, workers: int) -> list[Atoms]:
    if workers == 1:
        return label((frames, ions))
    parts = [(frames[k::workers], ions) for k in range(workers)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(label, parts))
    return [done[k % workers][k // workers] for k in range(len(frames))]


def reference(ions: bool, r: np.ndarray) -> np.ndarray:
    """(3, len(r)) the pair potentials that made the energies."""
    if not ions:
        return C12[:, None] * r**-12.0 - C6[:, None] * r**-6.0
    return np.array(
        [
            strength * np.exp((size - r) / RHO) + CHARGE[a] * CHARGE[b] * COULOMB / r
            for (a, b), (strength, size) in BORN.items()
        ]
    )


def recover(folder: Path, name: str, eliminate: bool, ions: bool) -> dict:
    """Fit and test; the errors are in the units of the energies."""
    powers = "powers: [1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], " if ions else ""
    drop = "false" if not eliminate else "true" if ions else f"{PRECISION}"
    text = (
        f"name: {name}\ndata: {{train: train.xyz, test: test.xyz}}\nridge: 0.0\n"
        f"pair: {{{powers}core: false, eliminate: {drop}}}\nweights: {{force: 0.0}}\n"
    )
    result = fit(parse_config(text, folder=folder))
    errors = result.metrics_test.energy
    return {
        "model": result.model,
        "test_rmse": float(np.sqrt(np.mean((errors.predicted - errors.reference) ** 2))),
        "seconds": sum(result.timings.values()),
    }


def report(found: dict, ions: bool, shortest: np.ndarray, folder: Path) -> dict:
    """What the models say of the potentials, over the distances that the data have."""
    summary: dict = {}
    for kind, result in found.items():
        model: Model = result["model"]
        r = np.linspace(shortest.max(), 3.0 * shortest.max(), 300)
        truth = reference(ions, r)
        block = model.data["pair"]
        left = [
            [k for k, a in zip(block["powers"], row, strict=True) if a]
            for row in block["coefficients"]
        ]
        summary[kind] = {
            "test_rmse": result["test_rmse"],
            "max_error_of_V": float(np.abs(curves(model, r) - truth).max()),
            "powers": left,
            "coefficients": block["coefficients"],
        }
        if ions and block["powers"][0] == 1:
            first = np.array(block["coefficients"])[:, 0]
            summary[kind]["charges"] = (first / COULOMB).tolist()
        wide = np.linspace(0.9 * shortest.min(), 4.0 * shortest.min(), 400)
        drawn = figure(model, (wide, reference(ions, wide)), (wide[0], wide[-1]))
        write_atomic(folder / f"{model.name}.recovered.png", drawn)
    return summary


def show(summary: dict, elements: list[str], unit: str) -> Table:
    table = Table(title="Recovered from energies")
    for head in ("fit", f"test RMSE\n{unit}/atom", f"max |dV|\n{unit}", "powers left"):
        table.add_column(head)
    for kind, row in summary.items():
        powers = "; ".join(
            f"{a}-{b} {','.join(map(str, left)) if len(left) < 6 else len(left)}"
            for (a, b), left in zip(pairs(elements), row["powers"], strict=True)
        )
        table.add_row(kind, f"{row['test_rmse']:.2e}", f"{row['max_error_of_V']:.2e}", powers)
    return table


def main(arguments: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--structures", type=int, default=2000)
    parser.add_argument("--ionic", action="store_true", help="Born-Mayer and Coulomb, eV")
    parser.add_argument("--workers", type=int, default=2, help="LAMMPS processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("recovery"))
    chosen = parser.parse_args(arguments)
    chosen.output.mkdir(parents=True, exist_ok=True)
    seconds, started = {}, time.perf_counter()
    make = ionic if chosen.ionic else lennard_jones
    frames = make(chosen.structures, chosen.seed)
    seconds["generate"] = time.perf_counter() - started
    frames = labelled(frames, chosen.ionic, chosen.workers)
    seconds["label"] = time.perf_counter() - started - seconds["generate"]
    cut = 4 * len(frames) // 5
    write(frames[:cut], chosen.output / "train.xyz")
    write(frames[cut:], chosen.output / "test.xyz")
    names = {"all powers": ("all", False), "elimination": ("eliminated", True)}
    found = {
        kind: recover(chosen.output, *options, chosen.ionic) for kind, options in names.items()
    }
    seconds["fit"] = sum(result["seconds"] for result in found.values())
    elements = IONS if chosen.ionic else ELEMENTS
    shortest = shortest_distances(frames, elements)
    summary = report(found, chosen.ionic, shortest, chosen.output)
    seconds["total"] = time.perf_counter() - started
    console = Console()
    console.print(show(summary, elements, "eV" if chosen.ionic else "epsilon"))
    for kind, row in summary.items():
        if "charges" in row:
            values = ", ".join(f"{q:+.4f}" for q in row["charges"])
            console.print(
                f"{kind}: q_a q_b of {' '.join('-'.join(p) for p in pairs(elements))}: {values}"
            )
    console.print(", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()))
    result = {"structures": len(frames), "ionic": chosen.ionic, "seconds": seconds, **summary}
    write_atomic(chosen.output / "recovery.json", json.dumps(result, indent=1) + "\n")
    return result


if __name__ == "__main__":
    main()
