"""A fit from its configuration to its files: data -> least squares or training -> model.

Nothing that changes from run to run (times, folders) enters the model: the same configuration and
data give the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.progress import Progress

from mlpot import io, kruglov, moments
from mlpot.config import TRAINED, FitConfig
from mlpot.coverage import coverage
from mlpot.design import count_rows
from mlpot.errors import InputError, did_you_mean
from mlpot.features import feature_statistics
from mlpot.files import write_atomic
from mlpot.linear import fit_linear
from mlpot.metrics import evaluate
from mlpot.model import Model
from mlpot.pair import zero_block
from mlpot.report import FitResult, Stopwatch, fit_log, parity_figure, provenance
from mlpot.symmetry_functions import expand, is_set, prune, read_set, shortest_distance
from mlpot.train import train_network
from mlpot.train.radial import train_radial

UNITS = {"energy": "eV", "length": "angstrom"}
# Of keys that may be left out.
REGRESSORS = {"neural_network": {"layers": [16, 16], "activation": "tanh", "gamma": 0.0}}


def fit(
    config: FitConfig,
    progress: Progress | None = None,
    max_memory: int = 2**30,
    resume: bool = False,
) -> FitResult:
    """Fit a model and write it.

    Writes <output>/<name>.json (model), .metrics.json, .parity.png and .log; of a trained model
    also .training.png, and of a committee the members .1.json, .2.json ...
    progress: a running rich progress to show bars in.  max_memory: bytes, of a linear fit, see
    design.estimate.  resume: go on from the checkpoint of a training that was stopped.
    Raises InputError for mistakes in the configuration or the data.
    """
    watch = Stopwatch()
    with watch("read"):
        train = io.read(config.paths("train"), elements=config.elements)
        elements = config.elements or train.report.elements
        test = io.read(config.paths("test"), elements=elements) if config.data.test else None
    warnings = _check_data(config, train, test)
    with watch("descriptor"):
        model, notes = start_model(config, elements, train)
    _make_folder(config.output_folder)
    if config.regressor["type"] in TRAINED:
        outcome = train_network(config, model, train, watch, progress, resume)
    elif moments.is_start(config.descriptor):
        outcome = train_radial(config, model, train, watch, progress, max_memory, resume)
    else:
        outcome = fit_linear(config, model, train, watch, progress, max_memory)
    outcome.log[:0] = notes
    with watch("coverage"):
        outcome.models = _covered(outcome.models, train, config, progress)
    with watch("evaluate"):
        measured = [
            (m, evaluate(m, train.frames, progress), test and evaluate(m, test.frames, progress))
            for m in outcome.models
        ]
    outcome.models = [
        Model({**m.data, "provenance": provenance(config, train, test, outcome, m, *errors)})
        for m, *errors in measured
    ]
    _, *errors = measured[0]
    warnings += outcome.warnings
    result = FitResult(outcome.models[0], *errors, outcome, watch, warnings)
    write(result, config, train)
    return result


def start_model(
    config: FitConfig, elements: list[str], train: io.Dataset
) -> tuple[Model, list[str]]:
    """:func:`zero_model` with a set of symmetry functions made explicit, and what was left out."""
    if kruglov.is_set(config.descriptor):
        options = kruglov.read_set(config.descriptor, config.where)
        block = kruglov.expand(options, len(elements))
        return zero_model(config.model_copy(update={"descriptor": block}), elements), []
    if moments.is_start(config.descriptor):
        block = moments.expand(config.descriptor, elements, train.frames, config.seed, config.where)
        return zero_model(config.model_copy(update={"descriptor": block}), elements), []
    if not is_set(config.descriptor):
        return zero_model(config, elements), []
    options = read_set(config.descriptor, config.where)
    shortest = shortest_distance(train.frames, options.r_cut)
    block = expand(options, len(elements), shortest)
    model = zero_model(config.model_copy(update={"descriptor": block}), elements)
    statistics = feature_statistics(model.potential(), train.frames)
    block, left_out = prune(block, statistics, options.prune)
    notes = [f"symmetry functions: {len(block['radial'])} radial, {len(block['angular'])} angular"]
    notes += [f"  left out {text}" for text in left_out]
    return zero_model(config.model_copy(update={"descriptor": block}), elements), notes


def zero_model(config: FitConfig, elements: list[str]) -> Model:
    """The configured model with coefficients that are all zero (E0 too, where it is fitted).

    Raises InputError for a descriptor, regressor or E0 that is not right.
    """
    from mlpot import _core

    kind = config.regressor["type"]
    regressor = {"type": kind, **REGRESSORS.get(kind, {}), **config.regressor}
    try:
        blocks = json.dumps(config.descriptor), json.dumps(regressor)
        described = _core.describe(*blocks, len(elements))
    except ValueError as error:
        raise InputError(f"{config.where}: {error}") from None
    n_regressors = 1 if config.pooling == "structure" else len(elements)
    zeros = [[0.0] * described["n_parameters"] for _ in range(n_regressors)]
    data = {
        "format": "mlpot",
        "version": 1,
        "name": config.name,
        "units": UNITS,
        "elements": list(elements),
        "E0": _given_e0(config, elements),
        "core": config.core.model_dump() if config.core else None,
        "pair": zero_block(config.pair, len(elements)),
        "descriptor": json.loads(described["block"]),
        "scaling": None,
        "pooling": config.pooling,
        "regressor": {**regressor, "coefficients": zeros},
        "ranges": None,
        "active_set": None,
        "provenance": {},
    }
    model = Model(data)
    try:
        model.potential()
    except ValueError as error:
        raise InputError(f"{config.where}: {error}") from None
    return model


def write(result: FitResult, config: FitConfig, train: io.Dataset) -> None:
    """Write the model last: where it is, its metrics, plots and log are too."""
    outcome = result.outcome
    metrics = {
        "train": result.metrics_train.to_dict(),
        "test": result.metrics_test.to_dict() if result.metrics_test else None,
        **outcome.metrics,
    }
    contents: dict[str, str | bytes] = {
        "metrics.json": json.dumps(metrics, indent=1) + "\n",
        "parity.png": parity_figure(result.metrics_train, result.metrics_test, config.name),
        **outcome.figures,
        "log": fit_log(result, train.report.lines()),
    }
    if len(outcome.models) > 1:
        for k, member in enumerate(outcome.models, 1):
            contents[f"{k}.json"] = Model({**member.data, "name": f"{config.name}.{k}"}).to_text()
    contents["json"] = result.model.to_text()
    for suffix, content in contents.items():
        path = config.output_folder / f"{config.name}.{suffix}"
        write_atomic(path, content)
        result.files.append(path)
    result.files.insert(0, result.files.pop())
    for path in outcome.scratch:
        path.unlink(missing_ok=True)


def _covered(
    models: list[Model], train: io.Dataset, config: FitConfig, progress: Progress | None
) -> list[Model]:
    """With ranges and active sets, which are the same where descriptor and scaling are."""
    known: dict[str, dict] = {}
    for model in models:
        if (key := _described(model)) not in known:
            known[key] = coverage(model, train.frames, config.active_set, progress)
    return [Model({**model.data, **known[_described(model)]}) for model in models]


def _described(model: Model) -> str:
    return json.dumps([model.data["descriptor"], model.data["scaling"]])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make this folder: {error.strerror}") from None


def _check_data(config: FitConfig, train: io.Dataset, test: io.Dataset | None) -> list[str]:
    """Warnings about the data; InputError where weights or elements ask for what is not there."""
    present = {symbol for atoms in train for symbol in atoms.symbols}
    for symbol in config.elements or []:
        if symbol not in present:
            raise InputError(f"{config.where}: elements: no training structure has {symbol}")
    for group in config.weights.groups:
        if group not in (known := train.report.groups):
            raise InputError(
                f"{config.where}: weights.groups.{group}: no such group"
                f"{did_you_mean(group, known)} (the data has {', '.join(known)})"
            )
    counted = [count_rows(atoms, config.weights) for atoms in train]
    wanted = dict(zip(("energy", "force", "stress"), config.weights.of(None), strict=True))
    for kind, weight in wanted.items():
        if weight and not any(kind in counts for counts in counted):
            raise InputError(
                f"{config.where}: weights.{kind} is {weight:g}, but no training structure has "
                f"one; set it to 0"
            )
    if not any(counted):
        raise InputError(f"{config.where}: weights: all are 0, nothing is left to fit")
    warnings = list(train.report.warnings)
    if test:
        warnings += test.report.warnings
        if leaked := io.leaks(train.frames, test.frames):
            warnings.append(f"{len(leaked)} test structures are copies of training structures")
    return warnings


def _given_e0(config: FitConfig, elements: list[str]) -> list[float]:
    if config.E0 == "fit":
        return [0.0] * len(elements)
    if set(config.E0) != set(elements):
        raise InputError(
            f"{config.where}: E0: is for {', '.join(config.E0)}; "
            f"expected {', '.join(elements)}, or fit"
        )
    return [config.E0[symbol] for symbol in elements]
