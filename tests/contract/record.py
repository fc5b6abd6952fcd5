"""Records the contract's numbers anew, by the slow twins.

cd tests && python -m contract.record
"""

import json
from pathlib import Path

from contract.cells import CELLS
from contract.measures import by_oracle
from mlpot.files import write_atomic

FILE = Path(__file__).parents[1] / "data" / "contract.json"


def main() -> None:
    lines = []
    for cell in CELLS:
        results = by_oracle(cell.model.data, cell.atoms)
        numbers = {key: value.tolist() for key, value in results.items()}
        lines.append(f"{json.dumps(str(cell))}: {json.dumps(numbers)}")
    write_atomic(FILE, "{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
