// Potential: a model file, read strictly, ready to run: the engine, which knows the surroundings of
// each atom, and the pair term, which may know the whole lattice.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.hpp"
#include "pair_term.hpp"

namespace mlpot {

double largest_cutoff(const Engine& engine, std::size_t n_species);  // Å

class Potential {
 public:
  // text: the content of a model file (docs/model_format.md); where: its name, for messages;
  // kernels: which instruction set. Throws ModelError.
  Potential(const std::string& text, const std::string& where, const std::string& kernels = "auto",
            bool for_training = false);

  const std::vector<std::string>& elements() const { return elements_; }
  const std::string& name() const { return name_; }
  const std::string& kernels() const { return kernels_; }
  double r_cut() const;              // the largest of all that have a cutoff, Å
  double reach(int a, int b) const;  // distance up to which neighbours are needed, Å
  double reach() const;              // the largest, Å
  int smoothness() const;
  Engine& engine() { return *engine_; }
  const Engine& engine() const { return *engine_; }
  PairTerm* pair() { return pair_.get(); }  // null: none
  const PairTerm* pair() const { return pair_.get(); }

  double evaluate(const Neighborhood& all, const EngineOutput& out);  // energy, eV
  // Columns: the engine's, then the pair term's.
  int n_coefficients() const;
  void design(const Neighborhood& all, const DesignOutput& out);

 private:
  std::string name_, kernels_;
  std::vector<std::string> elements_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<PairTerm> pair_;
};

}  // namespace mlpot
