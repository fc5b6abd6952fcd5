"""Table II of Zuo et al. (2020): the published SNAP and qSNAP in LAMMPS, and models, against DFT.

    python benchmarks/table2.py [MODEL ...] [--element Mo] [--output DIR] [--json FILE]

Each model joins the table of its element.  What is measured for a potential that is also in
reference/zuo2020_properties.json (by name: MTP, NNP, SNAP or qSNAP at the end of the model's) is
compared with what was measured by the potential's own engine.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from rich.console import Console

from mlpot.files import write_atomic
from mlpot.generate import parse_structure
from mlpot.model import Model
from mlpot.properties.compare import PROPERTIES, ROWS, Reference, compare, load_reference, table
from mlpot.properties.methods import opened
from mlpot.properties.run import measure
from mlpot.properties.show import failures, write

REFERENCE = Path(__file__).parent / "reference" / "zuo2020_properties.json"
ELEMENTS = ("Li", "Mo", "Si", "Cu")
FILES = {"SNAP": "{0}_Zuo_JPCA2020", "qSNAP": "{0}_Zuo_JPCA2020.quadratic"}


def commands(element: str) -> list[str]:
    """The published potentials as LAMMPS runs them."""
    lines = []
    for stem in (name.format(element) for name in FILES.values()):
        lines += ["pair_style snap", f"pair_coeff * * {stem}.snapcoeff {stem}.snapparam {element}"]
    return lines


def run(element: str, models: list[Path], output: Path | None, console: Console) -> dict:
    """Prints the table of an element; by column all values, failures and seconds."""
    reference = load_reference(REFERENCE, element)
    mine = [path for path in models if Model.load(path).elements == [element]]
    names = [path.stem for path in mine] + list(FILES)
    started = time.perf_counter()
    with opened(mine, commands(element), [element], names) as methods:
        found = measure(parse_structure(reference.structure), methods, [*PROPERTIES, "eos"])
    seconds = (time.perf_counter() - started) / len(found)
    columns = {m.name: m.to_dict() for m in found}
    console.print(table(compare(reference, columns), f"{element}, {seconds:.0f} s a potential"))
    for line in failures(found):
        console.print(f"  {line}", style="yellow", soft_wrap=True)
    deviations = {name: deviation(values, name, reference) for name, values in columns.items()}
    for name, worst in deviations.items():
        if worst:
            console.print(f"  {name} against its own engine: {worst}", soft_wrap=True)
    if output is not None:
        write(found, output / element, f"Properties of {reference.structure}")
    return {"values": columns, "deviations": deviations, "seconds": seconds}


def deviation(values: dict, name: str, reference: Reference) -> dict[str, float]:
    """Measured here less measured by the potential's own engine, where that is known."""
    known = reference.potentials.get(name.split("_")[-1], {})
    there = [key for key in ROWS if key in known and values.get(key) is not None]
    return {ROWS[key][0]: round(values[key] - known[key], 4) for key in there}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, help="model files")
    parser.add_argument("--element", action="append", choices=ELEMENTS, help="default: all four")
    parser.add_argument("--output", type=Path, help="folder: a report and plots for each element")
    parser.add_argument("--json", type=Path, help="write all values to this file")
    arguments = parser.parse_args()
    console = Console(width=None if Console().is_terminal else 140)
    results = {
        element: run(element, arguments.models, arguments.output, console)
        for element in arguments.element or ELEMENTS
    }
    if arguments.json:
        write_atomic(arguments.json, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
