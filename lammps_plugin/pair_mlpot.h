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
enum class GradeRule;
struct Grades;
}  // namespace mlpot

namespace LAMMPS_NS {

class Extrapolation;

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
  void* extract(const char*, int&) override;
  void* extract_peratom(const char*, int&) override;

 private:
  std::string read_on_first_rank(const std::string& file);
  void assign_species(const std::vector<std::string>& elements, int n_names, char** names);
  void refuse_what_cannot_be_honoured();
  void long_range(const std::string& method, double value);
  void prepare_long_range();
  bool find_rule(const mlpot::Potential&, mlpot::GradeRule& found) const;
  void prepare(mlpot::Grades&);
  void require_rule(const mlpot::Potential&, const std::string& who) const;
  void require_rules(const mlpot::Potential&) const;

  std::string kernels_ = "auto", long_ = "ewald", rule_ = "auto";
  double accuracy_ = 1e-16, long_cut_ = 0.0;
  std::unique_ptr<Extrapolation> extrapolation_;
  int grade_flag_ = 0;  // fix pair wants grades of this step
  bigint graded_step_ = -1;
  std::vector<double> grades_;  // [nmax]
  std::unique_ptr<mlpot::Potential> potential_;
  std::vector<int> species_of_type_;  // by type, from 1; -1: not ours
  std::vector<std::string> symbols_;  // by type, X: not ours
};

}  // namespace LAMMPS_NS

#endif
#endif
