"""Commented configurations, one for each way of fitting and a search, valid as they stand."""

from __future__ import annotations

from mlpot.errors import InputError, did_you_mean


def example_config(method: str = "snap") -> str:
    """The configuration of a method: snap, mtp, nnp, kruglov; or search.  InputError for others."""
    known = {**EXAMPLES, "search": SEARCH}
    if method not in known:
        hint = did_you_mean(method, known)
        raise InputError(f"{method!r} is not a method{hint} (known: {', '.join(known)})")
    return known[method]


_HEAD = """\
# mlpot fit fit.yaml          Units: eV, Å; stress in GPa. Paths start from this file's folder.
name: Mo                      # the model is written to <output>/<name>.json
# elements: [Mo]              # order of the species; default: those in the data, by symbol

data:
  train: train.xyz            # a file, a pattern such as data/*.xyz, or a list of them
  test: []                    # structures that only measure the error
"""

_ENERGIES = """\
E0: fit                       # energy of an atom: fit, or known ones in eV: {Mo: -10.9}
core: null                    # or repulsion of close atoms: {type: zbl, inner: 1.0, outer: 2.0} (Å)
"""

_NO_PAIR = """\
pair: null                    # or powers of distances: {sum: cut, r_cut: 6.0, powers: [1, 6, 12]}
"""

_WEIGHTS = """
weights:                      # of the errors in eV/atom, eV/Å and GPa; 0 leaves a kind out
  energy: 1.0
  force: %-21s  # there are many more of them: 0.001 to 0.01 is usual
  stress: 0.0
  groups: {}                  # other weights for a group of structures: {Elastic: {energy: 10}}
"""

_SNAP = """
descriptor:                   # `mlpot info MODEL` prints a block with every key filled in
  type: bispectrum
  two_j_max: 6                # 30 numbers an atom; 8 gives 55
  r_cut: 4.4                  # Å; the cutoff of a pair is r_cut * (radii[a] + radii[b])
  radii: [0.5]                # one per element
  weights: [1.0]              # one per element
regressor:
  type: linear                # linear (SNAP) or quadratic (qSNAP)

"""

_SNAP_END = """\
ridge: auto                   # auto: chosen by cross validation; or a number such as 1e-8
folds: 5                      # of the cross validation
active_set: auto              # for extrapolation grades: auto (atoms), atoms, structures or none
seed: 0                       # of the division into folds
output: .                     # folder
"""

_NNP = """
descriptor:                   # symmetry functions; the model file lists them one by one
  type: acsf
  set: auto                   # or zuo2020: the 15 radial and 24 angular ones of that paper
  r_cut: 5.2                  # Å
  n_radial: 12                # of each pair of elements
  n_angular: 18               # of each three elements; a multiple of 2 * the number of zeta
  radial: shifted             # shells around the atom; or centred: Gaussians at the atom
  angular: centred
  spacing: even               # or log: narrower near the atom
  zeta: [1, 4, 16]            # sharpness of the angles
  # r_min: 2.0                # Å, the innermost shell; default: the shortest distance in the data
  wide: true                  # G5; false: G4, with the third side of triangles, twice the cost
  cutoff: cosine              # or tanh3, polynomial
  prune: 1e-6                 # leave out functions that others give to this part; 0 keeps all
regressor:
  type: neural_network
  layers: [16, 16]
  activation: tanh            # or softplus, silu
training:
  optimiser: lbfgs            # or adam, for large data sets
  iterations: 1000            # at most; for adam: passes over the data
  validation: 0.1             # part of the training structures that decides when to stop
  patience: 100               # iterations without a better validation error
  restarts: 1                 # other initial weights; the best is kept
  committee: 1                # models NAME.1.json ...: their spread is an estimate of the error
  scaling: standard           # of the functions to mean 0, deviation 1; or range: to [-1, 1]
  checkpoint: 50              # iterations between two; mlpot fit --resume goes on from the last
  max_minutes: null           # or stop in time and write the best so far
  # learning_rate: 0.005      # of adam
  # batch: 8                  # structures in a step of adam

"""

_NNP_END = """\
seed: 0                       # of the initial weights and of the validation structures
output: .                     # folder
"""

_MTP = """
descriptor:                   # moment tensors; what is not given follows from level and data
  type: moments
  level: 16                   # 2 to 28; 8: 9 invariants, 12: 29, 16: 92, 20: 288, 24: 864
  r_cut: 5.2                  # Å
  # n_chebyshev: 8            # polynomials in each radial function
  # r_min: 2.0                # Å, where they begin; default: the shortest distance in the data
regressor:
  type: linear
training:                     # of the radial functions; the coefficients are least squares
  iterations: 100             # at most; 10 to 30 are usual
  checkpoint: 1               # iterations between two; mlpot fit --resume goes on from the last
  max_minutes: null           # or stop in time and write what was found

"""

_MTP_END = """\
ridge: auto                   # of the coefficients: by cross validation, or a number such as 1e-8
folds: 5                      # of the cross validation
seed: 0                       # of the folds and of the first radial functions
output: .                     # folder
"""

_KRUGLOV = """
pair:                         # sum of A_k r^-k over pairs, all of the lattice
  sum: ewald                  # or cut, with r_cut: for metals and fast dynamics
  powers: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
descriptor:                   # 48 angular functions, volume per atom, order parameter
  type: kruglov
  r_cut: 6.0                  # Å; 5.0 costs a fifth
  # eta: [0.05]               # Å^-2, other functions than the family of six (one element)
  # zeta: [1, 4]
  sigma: 0.1                  # Å, broadness of the order parameter's peaks
pooling: atom                 # atom: for dynamics; structure: for small cells, quick to train
regressor:
  type: neural_network
  layers: [70]
  activation: tanh_linear     # tanh(x) + gamma x
  gamma: 0.1
training:
  scheme: joint               # pair term and network together; or alternating; once: pair first
  iterations: 1000            # at most
  # rounds: 30                # of alternating, at most; it stops when the loss is steady
  # round_iterations: 50      # of the network in a round
  validation: 0.1             # part of the training structures that decides when to stop
  patience: 100               # iterations without a better validation error
  max_minutes: null           # or stop in time and write the best so far

"""

_COMMON = _ENERGIES + _NO_PAIR + _WEIGHTS

EXAMPLES = {
    "snap": _HEAD + _SNAP + _COMMON % "0.003" + _SNAP_END,
    "mtp": _HEAD + _MTP + _COMMON % "0.01" + _MTP_END,
    "nnp": _HEAD + _NNP + _COMMON % "0.01" + _NNP_END,
    "kruglov": _HEAD + _KRUGLOV + _ENERGIES + _WEIGHTS % "0.01" + _NNP_END,
}

SEARCH = """\
# mlpot search search.yaml    Units: eV, Å, GPa. The same command goes on where it was stopped.
name: NiAl                    # of the potential, <output>/<name>.json

structures:                   # random crystals
  formula: NiAl               # or several: [NiAl, Ni3Al]
  units: [1, 4]               # formula units in a cell
  # elements: [Ni, Al]        # instead of the two: any composition
  # atoms: [2, 8]             # of so many atoms in a cell
  volume: [9, 18]             # Å³ an atom
  min_distance: 1.9           # Å, or of each pair: {Al-Al: 2.2, Al-Ni: 1.9, Ni-Ni: 1.9}
  symmetric: false            # true: of random space groups; pip install 'mlpot[random]'

reference:                    # what labels structures: here a potential that comes with LAMMPS
  lammps:
    - pair_style eam/alloy
    - pair_coeff * * NiAlH_jea.eam.alloy Al Ni
  # calculator: gpaw          # or any calculator of ASE, or package.module.Class
  # arguments: {mode: {name: pw, ecut: 400}, xc: PBE, kpts: {density: 4}, txt: null}

fit:                          # the potential, by the keys of mlpot fit
  pair: {sum: ewald}          # powers 1 to 15 of all distances of the lattice,
  descriptor:                 # and a network of the mean of angular functions, volume and order
    type: kruglov
    r_cut: 5.0
  pooling: structure
  regressor: {type: neural_network, layers: [30], activation: tanh_linear, gamma: 0.1}
  training: {iterations: 200}
  weights:                    # of the errors in eV/atom, eV/Å and GPa
    energy: 1.0
    force: 0.03
    stress: 0.01
    groups: {}                # of the groups given (data), random, relaxed: {relaxed: {energy: 3}}

data: []                      # files with labels that are known before
first: 100                    # random structures, all labelled, of the first round
rounds: 3                     # in all; in the others ...
candidates: 30                # ... so many random structures are relaxed by the potential
select:                       # which of the structures on the way are labelled:
  rule: range                 # those with a grade (or d_optimal, or random: chance) ...
  threshold: 1.0              # ... above this one: 1 is the edge of the training set
  at_most: 50                 # in a round
  lowest: 5                   # and the lowest of the relaxed ones
relax:                        # of atoms and cell
  fmax: 0.05                  # eV/Å; of the cell eV/atom
  steps: 200                  # at most
  pressure: 0.0               # GPa
  every: 10                   # one step of so many may be selected
  stop_grade: 10.0            # where the potential does not know any more; null: nowhere
final:                        # the ranking
  candidates: 60              # random structures
  verify: 10                  # of the lowest, by the reference
  relax: true                 # which relaxes them; false: it takes them as the potential has them
seed: 0                       # of all that is random
output: NiAl                  # folder; default: the name
"""
