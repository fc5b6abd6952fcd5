// What a potential says of one structure: the images of NeighborList folded back onto its atoms.
#pragma once

#include <vector>

#include "engine.hpp"
#include "neighbors.hpp"

namespace mlpot {

struct Prediction {
  double energy;                 // eV
  std::vector<double> energies;  // [n] eV
  std::vector<double> forces;    // [n][3] eV/Å
  double dE_dstrain[9];          // [3][3] eV
};

// By a Potential, or an Engine, which has no pair term. n: atoms without images. AtomsTooClose
// names the atoms by their place in the structure.
template <class Evaluator>
Prediction predict(Evaluator& evaluator, const NeighborList& list, int n);

// work(), with the atoms of AtomsTooClose named by their place in the structure.
template <class Work>
auto naming_atoms(const NeighborList& list, Work work) {
  try {
    return work();
  } catch (const AtomsTooClose& e) {
    throw AtomsTooClose(list.atom_of()[e.i], list.atom_of()[e.j], e.distance);
  }
}

}  // namespace mlpot
