"""Writes a model as a potential of MLIP-2 or MLIP-3, and refuses what that cannot express."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mlpot.convert.mtp import _moments
from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.model import Model


def write_mtp(model: Model, stem: str | Path) -> list[Path]:
    """Writes stem.mtp, and returns it; type k in it is element k of the model.

    Coefficients read back to the same bits. Raises InputError for what an MTP cannot express.
    """
    _check_expressible(model.data)
    stem = Path(stem)
    return [write_atomic(stem.with_name(stem.name + ".mtp"), _text(model.data))]


def _check_expressible(data: dict) -> None:
    def refuse(why: str) -> NoReturn:
        raise InputError(f"{data['name']}: an MTP cannot express {why}")

    descriptor, regressor = data["descriptor"]["type"], data["regressor"]["type"]
    if descriptor != "moments":
        refuse(f"the descriptor {descriptor!r}, only 'moments'")
    if regressor != "linear":
        refuse(f"the regressor {regressor!r}, only 'linear'")
    for key in ("core", "pair", "scaling"):
        if data[key] is not None:
            refuse(f"{key!r}")
    first, *others = data["regressor"]["coefficients"]
    if any(row != first for row in others):
        refuse("coefficients that differ between the elements: all share one set in it")


def _text(data: dict) -> str:
    block = data["descriptor"]
    lists = _moments(block["level"]) if block["level"] else block
    basics, products, invariants = (
        np.asarray(lists[key], dtype=int) for key in ("basics", "products", "invariants")
    )
    products = products.reshape(-1, 4)
    n_species = len(data["elements"])
    n_functions = len(block["radial"]) // n_species**2
    lines = [
        "MTP",
        "version = 1.1.0",
        f"potential_name = {data['name']}",
        f"scaling = {block['scale']!r}",
        f"species_count = {n_species}",
        "potential_tag =",
        "radial_basis_type = RBChebyshev",
        f"\tmin_dist = {block['r_min']!r}",
        f"\tmax_dist = {block['r_cut']!r}",
        f"\tradial_basis_size = {block['n_chebyshev']}",
        f"\tradial_funcs_count = {n_functions}",
        "\tradial_coeffs",
    ]
    for k, (a, b) in enumerate(product(range(n_species), repeat=2)):
        lines.append(f"\t\t{a}-{b}")
        rows = block["radial"][k * n_functions : (k + 1) * n_functions]
        lines += [f"\t\t\t{_braces(row)}" for row in rows]
    n_moments = 1 + max(len(basics) - 1, products[:, 3].max(initial=0))
    lines += [
        f"alpha_moments_count = {n_moments}",
        f"alpha_index_basic_count = {len(basics)}",
        f"alpha_index_basic = {_braces(basics.tolist())}",
        f"alpha_index_times_count = {len(products)}",
        f"alpha_index_times = {_braces(products.tolist())}",
        f"alpha_scalar_moments = {len(invariants)}",
        f"alpha_moment_mapping = {_braces(invariants.tolist())}",
        f"species_coeffs = {_braces(data['E0'])}",
        f"moment_coeffs = {_braces(data['regressor']['coefficients'][0])}",
    ]
    return "\n".join(lines) + "\n"


def _braces(values: Any) -> str:
    return f"{{{', '.join(map(_braces, values))}}}" if isinstance(values, list) else repr(values)
