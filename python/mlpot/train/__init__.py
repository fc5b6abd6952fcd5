"""Training of regressors that are not linear in their coefficients, by gradient descent.

The loss and its exact gradient are the core's (TrainingSet).  Each descent starts from weights of
its own; its parameters of least validation loss are kept.  All is decided by the configuration, its
seed and the data: the same bytes come out, also when it was stopped and resumed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ase import Atoms
from rich.progress import Progress

from mlpot.config import FitConfig, Training
from mlpot.design import KINDS, count_rows, name_of, references
from mlpot.errors import InputError
from mlpot.features import feature_statistics, mean_statistics
from mlpot.io import Dataset
from mlpot.linear import fit_pair
from mlpot.metrics import predict, species_of
from mlpot.model import Model
from mlpot.pair import only_pair, pair_files
from mlpot.report import Outcome, Stopwatch, training_figure
from mlpot.solve import Array
from mlpot.train import checkpoint
from mlpot.train.descent import Descent
from mlpot.train.optimisers import Loss
from mlpot.train.pair_block import PairBlock
from mlpot.train.start import fit_e0, initial_weights, scaling, split

METHODS = {"lbfgs": "L-BFGS", "adam": "Adam"}


def train_network(
    config: FitConfig,
    model: Model,
    train: Dataset,
    watch: Stopwatch,
    progress: Progress | None = None,
    resume: bool = False,
) -> Outcome:
    """Train committee x restarts networks; of the restarts of a member the best is kept.

    model: one of zeros.  resume: go on from <name>.checkpoint.npz, where there is one.
    Raises InputError for data the model cannot evaluate and for a checkpoint of another training.
    """
    settings = config.training or Training()
    notes: list[str] = []
    with watch("prepare"):
        if config.pair and settings.scheme == "once":
            model, notes = fit_pair(config, model, train)
        model = prepared(model, train, config)
        beside = None
        if config.pair and settings.scheme != "once":
            beside = PairBlock(model, train, config)
        loss = training_set(model, train, config, beside, progress).loss
        rows = np.array([sum(count_rows(atoms, config.weights).values()) for atoms in train])

    def start(member: int, restart: int) -> Descent:
        seed = [config.seed, member]
        sets = split(train, settings.validation, np.random.default_rng(seed))
        seed = [*seed, restart + 1]
        parameters = initial(model, seed)
        if beside:
            parameters = beside.append(parameters, loss, sets[0])
        return Descent(loss, parameters, *sets, rows, settings, seed, beside)

    path = config.output_folder / f"{config.name}.checkpoint.npz"
    fingerprint = fingerprint_of(config, train, model)
    arrays = checkpoint.load(path, fingerprint) if resume else {}

    def save(descents: list[Descent]) -> None:
        parts = [descent.arrays(str(k)) for k, descent in enumerate(descents)]
        checkpoint.save(path, fingerprint, {key: v for part in parts for key, v in part.items()})

    with watch("train"):
        descents = _descend(settings, start, arrays, save, progress)
    outcome = _outcome(model, settings, config, descents, loss, beside)
    outcome.log[:0] = notes
    if config.pair:
        outcome.figures |= pair_files(outcome.models[0])
    if all(descent.ended for descent in descents):
        outcome.scratch.append(path)
    else:
        outcome.warnings.append(f"stopped by max_minutes; --resume goes on from {path.name}")
    return outcome


def prepared(model: Model, train: Dataset, config: FitConfig) -> Model:
    """The model of zeros with E0 and scaling."""
    settings = config.training or Training()
    potential = model.potential()
    e0 = fit_e0(model, train.frames).tolist() if config.E0 == "fit" else model.data["E0"]
    if model.data["pooling"] == "structure":
        statistics = [mean_statistics(potential, train.frames)]
    else:
        statistics = feature_statistics(potential, train.frames)
    return Model({**model.data, "E0": e0, "scaling": scaling(statistics, settings.scaling)})


def initial(model: Model, seed: list[int]) -> Array:
    """Parameters of all networks, drawn; then those of the descriptor, as they are."""
    layers, n_features = model.data["regressor"]["layers"], model.potential().n_features
    rng = np.random.default_rng(seed)
    networks = model.data["regressor"]["coefficients"]
    weights = [initial_weights(n_features, layers, rng) for _ in networks]
    return np.concatenate([*weights, radial_parameters(model)])


def radial_parameters(model: Model) -> Array:
    """What training changes in the descriptor: radial functions of moments."""
    return np.ravel(model.data["descriptor"]["radial"] if has_radial(model) else []).astype(float)


def with_radial(model: Model, parameters: Array) -> dict[str, Any]:
    """The descriptor block with these parameters."""
    block = model.data["descriptor"]
    if not has_radial(model):
        return block
    return {**block, "radial": parameters.reshape(-1, block["n_chebyshev"]).tolist()}


def has_radial(model: Model) -> bool:
    return model.data["descriptor"]["type"] == "moments" and model.data["pooling"] == "atom"


def training_set(
    model: Model,
    train: Dataset,
    config: FitConfig,
    beside: PairBlock | None = None,
    progress: Progress | None = None,
) -> Any:
    """The core's TrainingSet of all structures with the configured weights.

    It knows no pair term: what that says is taken off the references, unless it is trained beside
    the network.
    """
    from mlpot import _core

    pair = only_pair(model).potential() if model.data["pair"] and not beside else None
    found = _core.TrainingSet(model.to_text(), where=model.name, threads=n_threads())
    shown = train.frames if progress is None else progress.track(train.frames, description="data")
    for k, atoms in enumerate(shown):
        known = references(atoms, config.weights)
        weights = tuple(known[kind][0] if kind in known else 0.0 for kind in KINDS)
        labels = [known[kind][1] if kind in known else None for kind in KINDS]
        labels[0] = labels[0] or 0.0  # of weight zero
        species = species_of(atoms, model.elements)
        try:
            if pair:
                labels = without_pair(pair, atoms, labels)
            place = (atoms.positions, atoms.cell.array, atoms.pbc, species)
            found.add(*place, *labels, weights, linear=beside and beside.columns[k].arrays())
        except ValueError as error:
            raise InputError(f"{name_of(atoms)}: {error}") from None
    return found


def without_pair(pair: Any, atoms: Atoms, labels: list[Any]) -> list[Any]:
    """[energy, forces, stress], each of which may be None, without those of the pair term."""
    found = predict(pair, atoms)
    return [
        None if label is None else label - own for label, own in zip(labels, found, strict=True)
    ]


def _descend(
    settings: Training,
    start: Callable[[int, int], Descent],
    arrays: dict[str, np.ndarray],
    save: Callable[[list[Descent]], None],
    progress: Progress | None,
) -> list[Descent]:
    """All descents, one after the other; each has its share of the time that is left."""
    runs = [(m, r) for m in range(settings.committee) for r in range(settings.restarts)]
    deadline = time.monotonic() + 60.0 * (settings.max_minutes or np.inf)
    descents: list[Descent] = []
    for k, run in enumerate(runs):
        now = time.monotonic()
        until = now + (deadline - now) / (len(runs) - k)
        descent = start(*run)
        descents.append(descent)
        if f"{k}.curve" in arrays:
            descent.restore(str(k), arrays)
        name = f"training {k + 1} of {len(runs)}" if len(runs) > 1 else "training"
        task = progress.add_task(name, total=settings.steps) if progress else None
        while not descent.ended and time.monotonic() < until:
            descent.step()
            if progress:
                progress.update(
                    task, completed=descent.iteration, description=f"{name}: {_errors(descent)}"
                )
            if descent.iteration % settings.checkpoint == 0 and not descent.ended:
                save(descents)
        save(descents)
    return descents


def _outcome(
    model: Model,
    settings: Training,
    config: FitConfig,
    descents: list[Descent],
    loss: Loss,
    beside: PairBlock | None,
) -> Outcome:
    best = [
        min(range(k, k + settings.restarts), key=lambda i: float(descents[i].state["best_score"]))
        for k in range(0, len(descents), settings.restarts)
    ]
    log = [f"{METHODS[settings.optimiser]}, {descents[0].state['best'].size} weights"]
    for k, descent in enumerate(descents):
        log.append(
            f"  {k + 1}: weighted RMSE {_errors(descent, best=True)} at iteration "
            f"{descent.state['best_iteration']} of {descent.iteration} "
            f"({descent.ended or 'out of time'}){', kept' if k in best else ''}"
        )
    curves = [descent.state["curve"] for descent in descents]
    kept = [int(descent.state["best_iteration"]) for descent in descents]
    measured: dict[str, Any] = {}
    if beside:
        descent = descents[best[0]]
        network, end = np.split(descent.state["best"], [-beside.n])
        alone = beside.append(network, loss, descent.trains)[-beside.n :]
        measured = {"pair": beside.measures(alone, end)}
        log += beside.report(measured["pair"])
    axis = "round" if beside and settings.scheme == "alternating" else "iteration"
    return Outcome(
        models=[_trained(model, descents[k], config, beside) for k in best],
        method=METHODS[settings.optimiser]
        + (f", {settings.scheme} with the pair term" if beside else ""),
        log=log,
        summary=log[1 + best[0]].strip().removesuffix(", kept"),
        warnings=_warnings(descents, best),
        metrics={"curves": [np.where(np.isnan(c), None, c).tolist() for c in curves]} | measured,
        figures={"training.png": training_figure(curves, kept, config.name, axis)},
    )


def _trained(model: Model, descent: Descent, config: FitConfig, beside: PairBlock | None) -> Model:
    state, n_networks = descent.state, len(model.data["regressor"]["coefficients"])
    weights = state["best"]
    if beside:
        weights, z = np.split(weights, [-beside.n])
        model = beside.model(z)
    weights, radial = np.split(weights, [weights.size - radial_parameters(model).size])
    coefficients = weights.reshape(n_networks, -1).tolist()
    training, validation = descent.state["curve"][state["best_iteration"]]
    return Model(
        {
            **model.data,
            "descriptor": with_radial(model, radial),
            "regressor": {**model.data["regressor"], "coefficients": coefficients},
            "provenance": {
                "iterations": int(state["best_iteration"]),
                "ended": descent.ended or "out of time",
                "structures": {
                    "training": len(descent.trains),
                    "validation": len(descent.validates),
                },
                "weighted_rmse": {
                    "training": training if np.isfinite(training) else None,
                    "validation": validation if np.isfinite(validation) else None,
                },
                "seed": config.seed,
            },
        }
    )


def _warnings(descents: list[Descent], best: list[int]) -> list[str]:
    """Of descents that were still far from their end."""
    for k in best:
        curve = descents[k].state["curve"]
        scores = curve[:, 1 if np.isfinite(curve[-1, 1]) else 0]
        tenth = scores[-1 - len(scores) // 10]
        if descents[k].ended == "all iterations" and scores[-1] < 0.98 * tenth:
            return ["the error was still falling at the last iteration: give it more iterations"]
    return []


def _errors(descent: Descent, best: bool = False) -> str:
    training, validation = descent.state["curve"][descent.state["best_iteration"] if best else -1]
    return f"{training:.4g}" + (
        f", validation {validation:.4g}" if validation == validation else ""
    )


def fingerprint_of(config: FitConfig, train: Dataset, model: Model) -> str:
    """Of all that decides the result of a training."""
    free = {"output": True, "data": True, "training": {"max_minutes", "checkpoint"}}
    content = [
        config.model_dump(exclude=free),
        [file.sha256 for file in train.report.files],
        model.to_text(),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def n_threads() -> int:
    """As many as OMP_NUM_THREADS says, else as there are cores for this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))
