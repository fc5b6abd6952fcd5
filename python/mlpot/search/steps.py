"""The steps of a search: generate, relax, select, label, fit; each leaves a file in its round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from mlpot import io
from mlpot.calculator import MLPotCalculator
from mlpot.config import TRAINED, FitConfig
from mlpot.errors import InputError
from mlpot.fit import fit, start_model
from mlpot.generate import random_structures, write
from mlpot.grade import KEYS, Rule
from mlpot.io import labels
from mlpot.model import Model
from mlpot.search.config import GROUPS, SearchConfig
from mlpot.search.folder import Folder, read_frames
from mlpot.search.rank import Found, distinct, relaxed
from mlpot.search.reference import calculator_of, label, label_relaxed
from mlpot.search.relax import Limits, enthalpy, relax
from mlpot.select import select

Say = Callable[[str], None]


@dataclass
class Steps:
    """Of one search, in its folder; say: where lines for the user go."""

    config: SearchConfig
    folder: Folder
    say: Say

    def __post_init__(self) -> None:
        self.elements = self.config.structures.symbols
        config = self.config
        self.reference = calculator_of(config.reference, self.elements, config.where)

    def generate(self, number: int, count: int) -> list[Atoms]:
        """Random structures of a round, each from a stream of its own."""
        wanted, seed, name = self.config.structures, self.config.seed, self.folder.name(number)

        def one(k: int) -> list[Atoms]:
            try:
                (atoms,) = random_structures(
                    self.elements,
                    1,
                    atoms=tuple(wanted.atoms),
                    compositions=wanted.compositions,
                    volume=tuple(wanted.volume),
                    min_distance=wanted.least,
                    symmetric=wanted.symmetric,
                    seed=(seed, number, k),
                )
            except InputError as error:
                raise InputError(f"{self.config.where}: structures: {error}") from None
            atoms.info |= {"label": f"{name}, structure {k}", "group": "random"}
            return [atoms]

        path = self.folder.round(number) / "candidates.xyz"
        return self.folder.frames(path, range(count), one, f"{name}: generating")

    def given(self) -> list[Atoms]:
        """The labelled structures of the configuration, copied into round 0."""
        train = self._train(0)
        if self.config.data and not train.is_file():
            frames = io.read(self.config.files, elements=self.elements).frames
            for atoms in frames:
                atoms.info = {"label": atoms.info["source"], "group": "given"}
            train.parent.mkdir(exist_ok=True)
            write(frames, train)
        return read_frames(train) if train.is_file() else []

    def check_fit(self, frames: list[Atoms]) -> None:
        """InputError for a mistake in the configuration of the fit, before anything is labelled."""
        config = self._fit_config(1, [self._train(1)], list(GROUPS))
        start_model(config, self.elements, io.Dataset(frames, None))

    def relax(self, number: int, candidates: list[Atoms], model: Model) -> list[Atoms]:
        """The ways of all candidates to their minima, by the potential."""
        limits = Limits(self.config.structures, model, guard(model, self.config.select.rule))
        calculator, name = MLPotCalculator(model), self.folder.name(number)

        def one(atoms: Atoms) -> list[Atoms]:
            way = relax(atoms, calculator, self.config.relax, limits)
            for step in way[1:]:
                step.info["group"] = "relaxed"
                step.info["label"] += f", step {step.info['step']}"
            return way

        path = self.folder.round(number) / "relaxed.xyz"
        return self.folder.frames(path, candidates, one, f"{name}: relaxing")

    def select(self, number: int, ways: list[Atoms], model: Model) -> list[Atoms]:
        """Those that are new to the potential, and the lowest of the relaxed ones."""
        path = self.folder.round(number) / "selected.xyz"
        if not path.is_file():
            pool = [atoms for atoms in ways if "enthalpy" in atoms.info]
            pool.sort(key=lambda atoms: atoms.info["enthalpy"])
            chosen = [pool[i] for i in self._new(number, pool, model)]
            lowest = distinct(relaxed(pool))[: self.config.select.lowest]
            chosen += [one.atoms for one in lowest if not any(one.atoms is a for a in chosen)]
            for atoms in chosen:
                atoms.info["predicted"] = labels(atoms).energy / len(atoms)
            write(chosen, path)
        return read_frames(path)

    def _new(self, number: int, pool: list[Atoms], model: Model) -> list[int]:
        settings = self.config.select
        if settings.rule == "random":
            rng = np.random.default_rng((self.config.seed, number))
            return sorted(rng.permutation(len(pool))[: settings.at_most].tolist())
        most = settings.at_most
        return select(model, pool, settings.rule, settings.threshold, at_most=most).indices

    def label(self, number: int, chosen: list[Atoms]) -> list[Atoms]:
        """Those with labels, which is what is learned from; what failed is said."""
        path, title = self.folder.round(number) / "labelled.xyz", f"round {number}: labelling"
        tried = self.folder.frames(path, chosen, lambda a: [label(a, self.reference)], title)
        good = [atoms for atoms in tried if "problem" not in atoms.info]
        for atoms in tried:
            if "problem" in atoms.info:
                self.say(f"warning: {atoms.info['label']}: no label: {atoms.info['problem']}")
        if tried and not good and not self._data(number):
            path.unlink()  # or the same reason would end it when the calculator is there again
            reason = tried[0].info["problem"]
            raise InputError(f"round 1: none of {len(tried)} structures got a label: {reason}")
        if good and not (train := self._train(number)).is_file():
            write(good, train)
        return good

    def fit(self, number: int) -> Model:
        """To the labels of this round and those before."""
        path = self.folder.round(number) / f"{self.config.name}.json"
        if not path.is_file():
            data = self._data(number)
            groups = {atoms.info["group"] for train in data for atoms in read_frames(train)}
            config = self._fit_config(number, data, sorted(groups))
            with self.folder.bars(config.regressor["type"] in TRAINED) as progress:
                # One that was interrupted goes on; none but its own can be in this folder.
                result = fit(config, progress, resume=True)
            for text in result.warnings:
                self.say(f"warning: round {number}: {text}")
        return Model.load(path)

    def verify(self, number: int, lowest: list[Found]) -> list[Found]:
        """With enthalpies by the reference, and without those it says are the same."""
        path = self.folder.round(number) / "verified.xyz"
        checked = self.folder.frames(path, lowest, self._check, "ranking: verifying")
        for one, atoms in zip(lowest, checked, strict=True):
            if "problem" in atoms.info:
                one.problem = atoms.info["problem"]
                self.say(f"warning: {atoms.info['label']}: not verified: {one.problem}")
            else:
                one.atoms = atoms
                one.reference = enthalpy(atoms, self.config.relax.pressure)
        return distinct(lowest)

    def _check(self, one: Found) -> list[Atoms]:
        if self.config.final.relax:
            settings, structures = self.config.relax, self.config.structures
            return [label_relaxed(one.atoms, self.reference, settings, structures)]
        return [label(one.atoms, self.reference)]

    def _fit_config(self, number: int, data: list[Path], groups: list[str]) -> FitConfig:
        return self.config.fit_config(self.folder.round(number), data, groups)

    def _data(self, number: int) -> list[Path]:
        """The files of labels up to a round."""
        return [train for k in range(number + 1) if (train := self._train(k)).is_file()]

    def _train(self, number: int) -> Path:
        return self.folder.round(number) / "train.xyz"


def guard(model: Model, rule: str) -> Rule | None:
    """The rule that stops relaxations: that of the selection, or the sharpest the model has."""
    known = [name for name, key in KEYS.items() if model.data[key] is not None]
    return rule if rule in known else next(iter(known), None)
