// pair_style mlpot: a thin LAMMPS pair style over mlpot::Potential. Manual: docs/pair_mlpot.md
#ifdef PAIR_CLASS
// clang-format off
PairStyle(mlpot,PairMLPOT);
// clang-format on
#else

#ifndef LMP_PAIR_MLPOT_H
#define LMP_PAIR_MLPOT_H

#include "pair.h"

#include <memory>
#include <string>
#include <vector>

namespace mlpot {
class Potential;
}

namespace LAMMPS_NS {

class PairMLPOT : public Pair {
 public:
  explicit PairMLPOT(class LAMMPS*);
  ~PairMLPOT() override;

  void settings(int, char**) override;
  void coeff(int, char**) override;
  void modify_params(int, char**) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;

 private:
  std::string read_on_first_rank(const std::string& file);
  void assign_species(const std::vector<std::string>& elements, int n_names, char** names);
  void refuse_what_cannot_be_honoured();
  void long_range(const std::string& method, double value);
  void prepare_long_range();

  std::string kernels_ = "auto", long_ = "ewald";
  double accuracy_ = 1e-13, long_cut_ = 0.0;
  std::unique_ptr<mlpot::Potential> potential_;
  std::vector<int> species_of_type_;  // by type, from 1; -1: not ours
};

}  // namespace LAMMPS_NS

#endif
#endif
