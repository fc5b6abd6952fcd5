"""Commented configurations, one for each way of fitting, valid as they stand."""

from __future__ import annotations

from mlpot.errors import InputError, did_you_mean


def example_config(method: str = "snap") -> str:
    """The configuration of a method: snap, nnp or kruglov.  Raises InputError for another one."""
    if method not in EXAMPLES:
        hint = did_you_mean(method, EXAMPLES)
        raise InputError(f"{method!r} is not a method{hint} (known: {', '.join(EXAMPLES)})")
    return EXAMPLES[method]


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
