// mlpot._core: the C++ core for Python. Thin: shapes are checked, images are folded back, no more.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <mutex>
#include <numeric>
#include <optional>

#include "moment_basis.hpp"
#include "neighbors.hpp"
#include "potential.hpp"
#include "sha256.hpp"
#include "training.hpp"

namespace py = pybind11;
using namespace py::literals;
using namespace mlpot;

namespace {

using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Ints = py::array_t<int, py::array::c_style | py::array::forcecast>;
using Flags = py::array_t<bool, py::array::c_style | py::array::forcecast>;

// Both at once would share one engine's working memory.
struct SharedPotential {
  Potential potential;
  std::mutex busy;
  SharedPotential(const std::string& text, const std::string& where, const std::string& kernels)
      : potential(text, where, kernels) {}
};

void require(bool good, const char* message) {
  if (!good) throw std::invalid_argument(message);
}

void check_shapes(const Doubles& positions, const Doubles& cell, const Flags& pbc,
                  const Ints& species) {
  require(positions.ndim() == 2 && positions.shape(1) == 3, "positions: expected shape (n, 3)");
  require(cell.ndim() == 2 && cell.shape(0) == 3 && cell.shape(1) == 3,
          "cell: expected shape (3, 3)");
  require(pbc.ndim() == 1 && pbc.shape(0) == 3, "pbc: expected shape (3,)");
  require(species.ndim() == 1 && species.shape(0) == positions.shape(0),
          "species: expected one for each position");
}

NeighborList neighbors_of(int n_species, double r_cut, const Doubles& positions,
                          const Doubles& cell, const Flags& pbc, const Ints& species) {
  check_shapes(positions, cell, pbc, species);
  return NeighborList(static_cast<int>(positions.shape(0)), positions.data(), cell.data(),
                      pbc.data(), species.data(), n_species, r_cut);
}

// Those that the engine needs.
NeighborList neighbors_of(const Potential& potential, const Doubles& positions, const Doubles& cell,
                          const Flags& pbc, const Ints& species) {
  const int n_species = static_cast<int>(potential.elements().size());
  return neighbors_of(n_species, largest_cutoff(potential.engine(), n_species), positions, cell,
                      pbc, species);
}

double volume_of(const Doubles& cell) {
  const double* c = cell.data();
  return std::fabs(c[0] * (c[4] * c[8] - c[5] * c[7]) - c[1] * (c[3] * c[8] - c[5] * c[6]) +
                   c[2] * (c[3] * c[7] - c[4] * c[6]));
}

// Fits the split of a sum over the lattice to a structure.
void fit_split(PairTerm& pair, const Doubles& positions, const Doubles& cell, const Flags& pbc,
               const Ints& species) {
  check_shapes(positions, cell, pbc, species);
  if (!pair.periodic()) return;
  require(
      pbc.data()[0] && pbc.data()[1] && pbc.data()[2],
      "its pair term is a sum over a lattice: the structure must be periodic in all directions");
  require(volume_of(cell) > 1e-6, "the cell has no volume");
  pair.split_for(static_cast<int>(positions.shape(0)), volume_of(cell));
}

py::array_t<double> zeros(std::vector<py::ssize_t> shape) {
  py::array_t<double> array(shape);
  std::fill_n(array.mutable_data(), array.size(), 0.0);
  return array;
}

// Those that the whole potential needs; it must not be in use.
NeighborList all_neighbors_of(Potential& potential, const Doubles& positions, const Doubles& cell,
                              const Flags& pbc, const Ints& species) {
  if (potential.pair()) fit_split(*potential.pair(), positions, cell, pbc, species);
  const int n_species = static_cast<int>(potential.elements().size());
  return neighbors_of(n_species, potential.reach(), positions, cell, pbc, species);
}

py::dict as_dict(const Prediction& p) {
  const py::ssize_t n = static_cast<py::ssize_t>(p.energies.size());
  return py::dict("energy"_a = p.energy, "energies"_a = py::array_t<double>(n, p.energies.data()),
                  "forces"_a = py::array_t<double>({n, py::ssize_t{3}}, p.forces.data()),
                  "dE_dstrain"_a = py::array_t<double>({3, 3}, p.dE_dstrain));
}

py::dict evaluate(SharedPotential& shared, const Doubles& positions, const Doubles& cell,
                  const Flags& pbc, const Ints& species) {
  Prediction p;
  {
    py::gil_scoped_release release;
    const std::lock_guard<std::mutex> guard(shared.busy);
    const NeighborList list = all_neighbors_of(shared.potential, positions, cell, pbc, species);
    p = predict(shared.potential, list, static_cast<int>(positions.shape(0)));
  }
  return as_dict(p);
}

py::array_t<double> features(SharedPotential& shared, const Doubles& positions, const Doubles& cell,
                             const Flags& pbc, const Ints& species) {
  py::array_t<double> q = zeros({positions.shape(0), shared.potential.engine().n_features()});
  double* to = q.mutable_data();
  py::gil_scoped_release release;
  const NeighborList list = neighbors_of(shared.potential, positions, cell, pbc, species);
  const std::lock_guard<std::mutex> guard(shared.busy);
  naming_atoms(list, [&] { shared.potential.engine().features(list.view(), to); });
  return q;
}

py::array_t<double> rows(SharedPotential& shared, const Doubles& positions, const Doubles& cell,
                         const Flags& pbc, const Ints& species) {
  require(!shared.potential.engine().pooled(), "rows: not for pooled features");
  py::array_t<double> found =
      zeros({positions.shape(0), 1 + shared.potential.engine().n_parameters()});
  double* to = found.mutable_data();
  py::gil_scoped_release release;
  const NeighborList list = neighbors_of(shared.potential, positions, cell, pbc, species);
  const std::lock_guard<std::mutex> guard(shared.busy);
  naming_atoms(list, [&] { shared.potential.engine().rows(list.view(), to); });
  return found;
}

const std::pair<const char*, GradeRule> grade_rules[] = {{"range", GradeRule::range},
                                                         {"d_optimal", GradeRule::d_optimal}};

std::vector<std::string> rules(const SharedPotential& shared) {
  std::vector<std::string> known;
  for (const auto& [name, rule] : grade_rules)
    if (shared.potential.engine().has_grade(rule)) known.push_back(name);
  return known;
}

void set_ranges(SharedPotential& shared, const Doubles& low, const Doubles& high) {
  Engine& engine = shared.potential.engine();
  const py::ssize_t n = shared.potential.elements().size() * engine.n_features();
  require(low.size() == n && high.size() == n, "low, high: expected (n_species, n_features)");
  for (py::ssize_t k = 0; k < n; k++)
    require(low.data()[k] < high.data()[k], "low: each must be below the one in high");
  const std::lock_guard<std::mutex> guard(shared.busy);
  engine.set_ranges(low.data(), high.data());
}

void set_active_set(SharedPotential& shared, const Doubles& inverse) {
  Engine& engine = shared.potential.engine();
  const py::ssize_t p = 1 + engine.n_parameters();
  require(inverse.size() == static_cast<py::ssize_t>(shared.potential.elements().size()) * p * p,
          "inverse: expected (n_species, 1 + P, 1 + P)");
  const std::lock_guard<std::mutex> guard(shared.busy);
  engine.set_active_set(inverse.data());
}

py::dict grades(SharedPotential& shared, const Doubles& positions, const Doubles& cell,
                const Flags& pbc, const Ints& species, const std::string& asked) {
  Grades found;
  bool known = false;
  for (const auto& [name, rule] : grade_rules)
    if (asked == name && shared.potential.engine().has_grade(rule)) {
      found.rule = rule;
      known = true;
    }
  require(known, "rule: the model has no such grades");
  py::array_t<double> of_atoms = zeros({positions.shape(0)});
  found.of_atoms = of_atoms.mutable_data();
  {
    py::gil_scoped_release release;
    const NeighborList list = neighbors_of(shared.potential, positions, cell, pbc, species);
    const std::lock_guard<std::mutex> guard(shared.busy);
    naming_atoms(list, [&] { shared.potential.engine().grades(list.view(), found); });
  }
  return py::dict("grades"_a = of_atoms, "atom"_a = found.atom, "component"_a = found.component,
                  "value"_a = found.value, "low"_a = found.low, "high"_a = found.high);
}

py::dict design(SharedPotential& shared, const Doubles& positions, const Doubles& cell,
                const Flags& pbc, const Ints& species) {
  const int n_coefficients = shared.potential.n_coefficients();
  const py::ssize_t n = positions.shape(0);
  py::array_t<double> energy = zeros({n_coefficients}), forces = zeros({n, 3, n_coefficients}),
                      strain = zeros({3, 3, n_coefficients});
  DesignOutput out = {n_coefficients, energy.mutable_data(), forces.mutable_data(),
                      strain.mutable_data(), nullptr};
  {
    py::gil_scoped_release release;
    const std::lock_guard<std::mutex> guard(shared.busy);
    const NeighborList list = all_neighbors_of(shared.potential, positions, cell, pbc, species);
    out.atom_of = list.atom_of();
    naming_atoms(list, [&] { shared.potential.design(list.view(), out); });
    for (int k = 0; k < 9 * n_coefficients; k++) out.virial[k] = -out.virial[k];
  }
  return py::dict("energy"_a = energy, "forces"_a = forces, "dE_dstrain"_a = strain);
}

// X_k^ab of a pair term, and their derivatives. Python's lock guards the pair term.
py::dict pair_sums(PairTerm& pair, const Doubles& positions, const Doubles& cell, const Flags& pbc,
                   const Ints& species, bool derivatives, std::optional<double> alpha, double eta) {
  const int n_columns = pair.n_columns();
  const py::ssize_t n = positions.shape(0);
  fit_split(pair, positions, cell, pbc, species);
  if (pair.periodic()) {
    require(!alpha || *alpha > 0.0, "alpha: expected a number above 0");
    require(eta > 0.0, "eta: expected a number above 0");
    if (alpha) pair.split(*alpha, eta);
    else pair.split_for(static_cast<int>(n), volume_of(cell), 1e300, eta);
  }
  py::array_t<double> values = zeros({n_columns}), strain, forces;
  DesignOutput out = {n_columns, values.mutable_data(), nullptr, nullptr, nullptr};
  if (derivatives) {
    forces = zeros({n, 3, n_columns});
    strain = zeros({3, 3, n_columns});
    out.forces = forces.mutable_data();
    out.virial = strain.mutable_data();
  }
  const NeighborList list =
      neighbors_of(pair.n_species(), pair.r_cut(), positions, cell, pbc, species);
  out.atom_of = list.atom_of();
  pair.design(list.view(), out);
  if (!derivatives) return py::dict("values"_a = values);
  for (int k = 0; k < 9 * n_columns; k++) out.virial[k] = -out.virial[k];
  return py::dict("values"_a = values, "forces"_a = forces, "dE_dstrain"_a = strain);
}

// The shortest distance of each pair of species, r_cut where none is below it.
py::array_t<double> shortest_distances(const Doubles& positions, const Doubles& cell,
                                       const Flags& pbc, const Ints& species, int n_species,
                                       double r_cut) {
  const NeighborList list = neighbors_of(n_species, r_cut, positions, cell, pbc, species);
  const Neighborhood all = list.view();
  py::array_t<double> found(n_species_pairs(n_species));
  double* shortest = found.mutable_data();
  std::fill_n(shortest, found.size(), r_cut);
  for (int i = 0; i < all.n_centers; i++)
    for (int m = 0; m < all.n_neighbors[i]; m++) {
      const int j = all.neighbors[i][m];
      double squared = 0.0;
      for (int axis = 0; axis < 3; axis++) {
        const double d = all.x[3 * j + axis] - all.x[3 * i + axis];
        squared += d * d;
      }
      double& least = shortest[species_pair(all.type[i], all.type[j], n_species)];
      least = std::min(least, std::sqrt(squared));
    }
  return found;
}

std::vector<int> checked_indices(const TrainingSet& set,
                                 const std::optional<std::vector<int>>& given) {
  std::vector<int> indices(set.n_structures());
  std::iota(indices.begin(), indices.end(), 0);
  if (!given) return indices;
  for (const int index : *given)
    require(index >= 0 && index < set.n_structures(), "indices: no such structure");
  return *given;
}

void add_structure(TrainingSet& set, const Doubles& positions, const Doubles& cell,
                   const Flags& pbc, const Ints& species, double energy,
                   const std::optional<Doubles>& forces, const std::optional<Doubles>& stress,
                   const std::array<double, 3>& weights,
                   const std::optional<std::array<Doubles, 3>>& columns) {
  NeighborList list = neighbors_of(set.potential(), positions, cell, pbc, species);
  const double volume = volume_of(cell);
  Reference reference;
  reference.energy = energy;
  if (forces) {
    require(forces->size() == positions.size(), "forces: expected the shape of positions");
    reference.forces.assign(forces->data(), forces->data() + forces->size());
  }
  if (stress) {
    require(stress->size() == 9 && volume > 0.0, "stress: expected shape (3, 3), and a volume");
    reference.stress.assign(stress->data(), stress->data() + 9);
  }
  reference.w_energy = weights[0];
  reference.w_force = weights[1];
  reference.w_stress = weights[2];
  LinearPart linear;
  if (columns) {
    const auto& [of_energy, of_forces, of_strain] = *columns;
    linear.n = static_cast<int>(of_energy.size());
    require(of_forces.size() == positions.size() * linear.n && of_strain.size() == 9 * linear.n,
            "linear: expected shapes (m,), (n, 3, m) and (3, 3, m)");
    linear.energy.assign(of_energy.data(), of_energy.data() + of_energy.size());
    linear.forces.assign(of_forces.data(), of_forces.data() + of_forces.size());
    linear.dE_dstrain.assign(of_strain.data(), of_strain.data() + of_strain.size());
  }
  set.add(std::move(list), static_cast<int>(positions.shape(0)), volume, std::move(reference),
          std::move(linear));
}

py::tuple training_loss(TrainingSet& set, const Doubles& parameters,
                        const std::optional<std::vector<int>>& given) {
  require(parameters.size() == set.n_parameters(), "parameters: wrong length");
  const std::vector<int> indices = checked_indices(set, given);
  py::array_t<double> gradient = zeros({set.n_parameters()});
  double* to = gradient.mutable_data();
  const double* from = parameters.data();
  double loss = 0.0;
  {
    py::gil_scoped_release release;
    loss = set.loss(from, indices, to);
  }
  return py::make_tuple(loss, gradient);
}

py::list training_predict(TrainingSet& set, const Doubles& parameters,
                          const std::optional<std::vector<int>>& given) {
  require(parameters.size() == set.n_parameters(), "parameters: wrong length");
  const std::vector<int> indices = checked_indices(set, given);
  const double* from = parameters.data();
  std::vector<Prediction> predictions;
  {
    py::gil_scoped_release release;
    predictions = set.predict(from, indices);
  }
  py::list list;
  for (const Prediction& p : predictions) list.append(as_dict(p));
  return list;
}

// An engine with the blocks' defaults and coefficients of zero, to ask for sizes.
template <class Ask>
auto with_blocks(const std::string& descriptor, const std::string& regressor, int n_species,
                 Ask ask) {
  Block d(descriptor, "", Block::Missing::takes_default, "descriptor.");
  Block r(regressor, "", Block::Missing::takes_default, "regressor.");
  const std::vector<int> numbers(n_species, 1);
  const std::vector<double> e0(n_species, 0.0);
  std::string kernels;
  const auto engine = make_engine(
      "auto", {n_species, numbers.data(), e0.data(), 0.0, 0.0, false, d, nullptr, r, false, false},
      kernels);
  d.finish();
  r.finish();
  return ask(*engine, d, r);
}

py::dict describe(const std::string& descriptor, const std::string& regressor, int n_species) {
  return with_blocks(descriptor, regressor, n_species, [&](Engine& engine, Block& d, Block&) {
    double r_cut = 0.0;
    for (int a = 0; a < n_species; a++)
      for (int b = 0; b < n_species; b++) r_cut = std::max(r_cut, engine.r_cut(a, b));
    return py::dict("size"_a = engine.n_features(), "block"_a = d.complete(), "r_cut"_a = r_cut,
                    "n_parameters"_a = engine.n_parameters());
  });
}

py::dict moments(int level) {
  require(level >= 2 && level <= most_level, "level: expected 2 to 28");
  const MomentTable& t = moment_table(level);
  return py::dict("basics"_a = py::array_t<int>({t.n_basics, 4}, t.basics[0]),
                  "products"_a = py::array_t<int>({t.n_products, 4},
                                                  t.n_products > 0 ? t.products[0] : t.invariants),
                  "invariants"_a = py::array_t<int>(t.n_invariants, t.invariants));
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ core of mlpot: the kernels that also run inside LAMMPS. Units: eV, Å.";
  py::register_exception<ModelError>(m, "ModelError", PyExc_ValueError);
  static py::exception<AtomsTooClose> too_close(m, "AtomsTooClose", PyExc_ValueError);
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const AtomsTooClose& e) {
      const std::string message = "atoms " + std::to_string(e.i) + " and " + std::to_string(e.j) +
                                  " (counted from 0) are " + e.what();
      py::set_error(too_close, message.c_str());
    }
  });

  m.def("kernels", &usable_kernels, "Instruction sets usable on this processor, slowest first.");
  m.def("sha256", [](const std::string& bytes) { return sha256(bytes); }, "bytes"_a);
  m.def(
      "describe", &describe, "descriptor"_a, "regressor"_a, "n_species"_a,
      "What a descriptor block (JSON text) makes: dict of size (numbers an atom), block (the JSON "
      "with\n"
      "every default written out), r_cut (Å), n_parameters (coefficients of one species with the\n"
      "regressor block). Raises ModelError naming the key.");

  m.def("shortest_distances", &shortest_distances, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
        "n_species"_a, "r_cut"_a,
        "The shortest distance (Å) of each pair of species, 00 01 .. 11 12 .., at most r_cut.");
  m.def("moments", &moments, "level"_a,
        "The lists that a descriptor of moments of this level stands for: dict of basics (n, 4),\n"
        "products (n, 4) and invariants (n,), as in docs/model_format.md.");

  const char* arguments =
      "positions (n, 3) Å, cell (3, 3) Å with lattice vectors as rows, pbc (3,), species (n,).";
  py::class_<SharedPotential>(
      m, "Potential", "A model file's text, read strictly (raises ModelError), ready to run.")
      .def(py::init<const std::string&, const std::string&, const std::string&>(), "text"_a,
           "where"_a = "model", "kernels"_a = "auto")
      .def_property_readonly("name", [](SharedPotential& s) { return s.potential.name(); })
      .def_property_readonly("elements", [](SharedPotential& s) { return s.potential.elements(); })
      .def_property_readonly("kernels", [](SharedPotential& s) { return s.potential.kernels(); })
      .def_property_readonly("r_cut", [](SharedPotential& s) { return s.potential.r_cut(); })
      .def_property_readonly("smoothness",
                             [](SharedPotential& s) { return s.potential.smoothness(); })
      .def_property_readonly("n_features",
                             [](SharedPotential& s) { return s.potential.engine().n_features(); })
      .def_property_readonly("n_parameters",
                             [](SharedPotential& s) { return s.potential.n_coefficients(); })
      .def_property_readonly("n_pair_parameters",
                             [](SharedPotential& s) {
                               const PairTerm* pair = s.potential.pair();
                               return pair ? pair->n_columns() : 0;
                             })
      .def("evaluate", &evaluate, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
           (std::string(
                "dict of energy (eV), energies (n,), forces (n, 3) eV/Å, dE_dstrain (3, 3) eV.\n") +
            arguments)
               .c_str())
      .def("features", &features, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
           (std::string("Descriptors (n, n_features).\n") + arguments).c_str())
      .def_property_readonly("rules", &rules, "Of the grades it has: range, d_optimal.")
      .def("rows", &rows, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
           (std::string("Derivatives of each atom's energy by E0 and the P coefficients of its "
                        "species (n, 1 + P).\n") +
            arguments)
               .c_str())
      .def("grades", &grades, "positions"_a, "cell"_a, "pbc"_a, "species"_a, "rule"_a,
           (std::string("How far outside the training set each atom is, at most 1 inside: dict of "
                        "grades (n,)\nand, of the atom with the greatest, atom, component (a "
                        "feature, or a row of the active set),\nvalue, and low, high: what it was "
                        "in training.\n") +
            arguments)
               .c_str())
      .def("set_ranges", &set_ranges, "low"_a, "high"_a,
           "Grades by these ranges of the features in training, (n_species, n_features) each.")
      .def("set_active_set", &set_active_set, "inverse"_a,
           "Grades by these active sets (n_species, 1 + P, 1 + P): [s, j, k] is (A^-1)_kj of "
           "species s.")
      .def(
          "design", &design, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
          (std::string(
               "Derivatives by each of P = n_parameters coefficients, species by species and then\n"
               "the n_pair_parameters of the pair term: dict of energy (P,), forces (n, 3, P),\n"
               "dE_dstrain (3, 3, P).\n") +
           arguments)
              .c_str())
      .def(
          "pair_energy",
          [](SharedPotential& s, int a, int b, double r) {
            require(s.potential.pair(), "the potential has no pair term");
            const int n = s.potential.pair()->n_species();
            require(a >= 0 && a < n && b >= 0 && b < n && r > 0.0, "no such pair");
            const std::lock_guard<std::mutex> guard(s.busy);
            double v, dv_dr;
            s.potential.pair()->at(a, b, r, v, dv_dr);
            return py::make_tuple(v, dv_dr);
          },
          "a"_a, "b"_a, "r"_a,
          "(V, dV/dr) in eV and eV/Å of the pair term between species a and b, r Å apart.");

  py::class_<PairTerm>(m, "PairSums",
                       "Sums over pairs of r^-k, for each power and pair of species.\n"
                       "block: JSON text of a model's pair block, without coefficients.")
      .def(py::init([](const std::string& text, int n_species) {
             require(n_species > 0, "n_species: expected a number above 0");
             Block block(text, "", Block::Missing::takes_default, "pair.");
             auto pair = std::make_unique<PairTerm>(block, n_species);
             block.finish();
             return pair;
           }),
           "block"_a, "n_species"_a)
      .def_property_readonly("n_columns", &PairTerm::n_columns)
      .def_property_readonly("powers", [](const PairTerm& p) { return p.powers(); })
      .def("compute", &pair_sums, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
           "derivatives"_a = true, "alpha"_a = py::none(), "eta"_a = PairTerm::default_eta,
           (std::string("dict of values (P,) and, with derivatives, forces (n, 3, P), dE_dstrain\n"
                        "(3, 3, P).\n") +
            arguments)
               .c_str());

  py::class_<TrainingSet>(
      m, "TrainingSet",
      "Structures with references, and the loss of a model on them with its exact gradient.")
      .def(py::init<const std::string&, const std::string&, const std::string&, int>(), "text"_a,
           "where"_a = "model", "kernels"_a = "auto", "threads"_a = 1)
      .def_property_readonly("n_structures", &TrainingSet::n_structures)
      .def_property_readonly("n_parameters", &TrainingSet::n_parameters)
      .def("add", &add_structure, "positions"_a, "cell"_a, "pbc"_a, "species"_a, "energy"_a,
           "forces"_a, "stress"_a, "weights"_a, "linear"_a = py::none(),
           "Add a structure: energy eV, forces (n, 3) eV/Å or None, stress (3, 3) eV/Å^3 or None,\n"
           "weights of the residuals in eV/atom, eV/Å and GPa. linear: energy (m,), forces\n"
           "(n, 3, m) and dE_dstrain (3, 3, m) by m more parameters, the same for all structures.")
      .def("loss", &training_loss, "parameters"_a, "indices"_a = py::none(),
           "(loss, gradient) over the structures: sum of w_E^2 (dE/N)^2 + w_F^2 |dF|^2 +\n"
           "w_S^2 |d stress|^2 with six stress components.")
      .def("predict", &training_predict, "parameters"_a, "indices"_a = py::none(),
           "List of dicts as of Potential.evaluate(); not where features are pooled.");
}
