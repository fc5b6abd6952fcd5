// mlpot._core: the C++ core for Python. Thin: shapes are checked, images are folded back, no more.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <mutex>
#include <numeric>
#include <optional>

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

NeighborList neighbors_of(const Potential& potential, const Doubles& positions, const Doubles& cell,
                          const Flags& pbc, const Ints& species) {
  require(positions.ndim() == 2 && positions.shape(1) == 3, "positions: expected shape (n, 3)");
  require(cell.ndim() == 2 && cell.shape(0) == 3 && cell.shape(1) == 3,
          "cell: expected shape (3, 3)");
  require(pbc.ndim() == 1 && pbc.shape(0) == 3, "pbc: expected shape (3,)");
  require(species.ndim() == 1 && species.shape(0) == positions.shape(0),
          "species: expected one for each position");
  return NeighborList(static_cast<int>(positions.shape(0)), positions.data(), cell.data(),
                      pbc.data(), species.data(), static_cast<int>(potential.elements().size()),
                      potential.r_cut());
}

py::array_t<double> zeros(std::vector<py::ssize_t> shape) {
  py::array_t<double> array(shape);
  std::fill_n(array.mutable_data(), array.size(), 0.0);
  return array;
}

// Calls work(engine, neighborhood) when nobody else does.
template <class Work>
void on_neighbors(SharedPotential& shared, const NeighborList& list, Work work) {
  const std::lock_guard<std::mutex> guard(shared.busy);
  naming_atoms(list, [&] { work(shared.potential.engine(), list.view()); });
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
    const NeighborList list = neighbors_of(shared.potential, positions, cell, pbc, species);
    const std::lock_guard<std::mutex> guard(shared.busy);
    p = predict(shared.potential.engine(), list, static_cast<int>(positions.shape(0)));
  }
  return as_dict(p);
}

py::array_t<double> features(SharedPotential& shared, const Doubles& positions, const Doubles& cell,
                             const Flags& pbc, const Ints& species) {
  py::array_t<double> q = zeros({positions.shape(0), shared.potential.engine().n_features()});
  double* to = q.mutable_data();
  py::gil_scoped_release release;
  const NeighborList list = neighbors_of(shared.potential, positions, cell, pbc, species);
  on_neighbors(shared, list,
               [&](Engine& engine, const Neighborhood& all) { engine.features(all, to); });
  return q;
}

py::dict design(SharedPotential& shared, const Doubles& positions, const Doubles& cell,
                const Flags& pbc, const Ints& species) {
  const int n_coefficients =
      shared.potential.engine().n_regressors() * shared.potential.engine().n_parameters();
  const py::ssize_t n = positions.shape(0);
  py::array_t<double> energy = zeros({n_coefficients}), forces = zeros({n, 3, n_coefficients}),
                      strain = zeros({3, 3, n_coefficients});
  DesignOutput out = {n_coefficients, energy.mutable_data(), forces.mutable_data(),
                      strain.mutable_data(), nullptr};
  {
    py::gil_scoped_release release;
    const NeighborList list = neighbors_of(shared.potential, positions, cell, pbc, species);
    out.atom_of = list.atom_of();
    on_neighbors(shared, list,
                 [&](Engine& engine, const Neighborhood& all) { engine.design(all, out); });
    for (int k = 0; k < 9 * n_coefficients; k++) out.virial[k] = -out.virial[k];
  }
  return py::dict("energy"_a = energy, "forces"_a = forces, "dE_dstrain"_a = strain);
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
                   const std::array<double, 3>& weights) {
  NeighborList list = neighbors_of(set.potential(), positions, cell, pbc, species);
  const double* c = cell.data();
  const double volume =
      std::fabs(c[0] * (c[4] * c[8] - c[5] * c[7]) - c[1] * (c[3] * c[8] - c[5] * c[6]) +
                c[2] * (c[3] * c[7] - c[4] * c[6]));
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
  set.add(std::move(list), static_cast<int>(positions.shape(0)), volume, std::move(reference));
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
      "auto", {n_species, numbers.data(), e0.data(), 0.0, 0.0, d, nullptr, r, false, false}, kernels);
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
                             [](SharedPotential& s) { return s.potential.engine().smoothness(); })
      .def_property_readonly("n_features",
                             [](SharedPotential& s) { return s.potential.engine().n_features(); })
      .def_property_readonly("n_parameters",
                             [](SharedPotential& s) {
                               return s.potential.engine().n_parameters() *
                                      s.potential.engine().n_regressors();
                             })
      .def("evaluate", &evaluate, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
           (std::string(
                "dict of energy (eV), energies (n,), forces (n, 3) eV/Å, dE_dstrain (3, 3) eV.\n") +
            arguments)
               .c_str())
      .def("features", &features, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
           (std::string("Descriptors (n, n_features).\n") + arguments).c_str())
      .def(
          "design", &design, "positions"_a, "cell"_a, "pbc"_a, "species"_a,
          (std::string(
               "Derivatives by each of P = n_parameters coefficients, species by species: dict of\n"
               "energy (P,), forces (n, 3, P), dE_dstrain (3, 3, P).\n") +
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
           "forces"_a, "stress"_a, "weights"_a,
           "Add a structure: energy eV, forces (n, 3) eV/Å or None, stress (3, 3) eV/Å^3 or None,\n"
           "weights of the residuals in eV/atom, eV/Å and GPa.")
      .def("loss", &training_loss, "parameters"_a, "indices"_a = py::none(),
           "(loss, gradient) over the structures: sum of w_E^2 (dE/N)^2 + w_F^2 |dF|^2 +\n"
           "w_S^2 |d stress|^2 with six stress components.")
      .def("predict", &training_predict, "parameters"_a, "indices"_a = py::none(),
           "List of dicts as of Potential.evaluate().");
}
