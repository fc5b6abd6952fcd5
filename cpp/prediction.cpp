#include "prediction.hpp"

#include "potential.hpp"

namespace mlpot {

template <class Evaluator>
Prediction predict(Evaluator& evaluator, const NeighborList& list, int n) {
  Prediction p;
  p.energies.assign(n, 0.0);
  p.forces.assign(3 * n, 0.0);
  std::vector<double> all_forces(3 * list.n_atoms(), 0.0);
  double virial[6] = {};
  EngineOutput out;
  out.forces = all_forces.data();
  out.energies = p.energies.data();  // of central atoms, which come before the images
  out.virial = virial;
  p.energy = naming_atoms(list, [&] { return evaluator.evaluate(list.view(), out); });
  for (int i = 0; i < list.n_atoms(); i++)
    for (int axis = 0; axis < 3; axis++)
      p.forces[3 * list.atom_of()[i] + axis] += all_forces[3 * i + axis];
  const int component[9] = {0, 3, 4, 3, 1, 5, 4, 5, 2};
  for (int k = 0; k < 9; k++) p.dE_dstrain[k] = -virial[component[k]];
  return p;
}

template Prediction predict(Engine&, const NeighborList&, int);
template Prediction predict(Potential&, const NeighborList&, int);

}  // namespace mlpot
