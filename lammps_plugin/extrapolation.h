// What pair_style mlpot does when atoms are outside the training set: warn, save, stop.
// Not a style of LAMMPS' own.
#ifndef LMP_MLPOT_EXTRAPOLATION_H
#define LMP_MLPOT_EXTRAPOLATION_H

#include "pointers.h"

#include <string>
#include <vector>

namespace mlpot {
struct Grades;
}

namespace LAMMPS_NS {

class Extrapolation : protected Pointers {
 public:
  explicit Extrapolation(LAMMPS*);

  // Reads one of its keywords at arg[0]; returns how many words it took, 0: the keyword is not
  // ours.
  int read(int narg, char** arg);
  bool active() const;
  bool looks_now() const;  // at this step

  // Of all ranks at once, after the grades of the local atoms are known. symbols: by atom type.
  // Raises an error on all ranks where a grade is above the threshold to stop at.
  void look(const mlpot::Grades& grades, const std::vector<std::string>& symbols);

  // Of the last look: atoms of this rank above the lowest threshold; the greatest grade on rank 0,
  // 0 on others, so that sums over ranks are right.
  double found[2] = {0.0, 0.0};

 private:
  struct Worst {
    double grade, tag, type, component, value, low, high;
  };
  Worst worst_of_all(const mlpot::Grades& grades) const;
  std::string describe(const Worst& worst, double threshold, const mlpot::Grades& grades,
                       const std::vector<std::string>& symbols) const;
  bigint count(const mlpot::Grades& grades, double threshold) const;  // over all ranks
  void save(const mlpot::Grades& grades, const std::vector<std::string>& symbols);

  double warn_, save_, stop_;  // thresholds, infinite: never
  int every_ = 1;
  std::string file_;
};

}  // namespace LAMMPS_NS

#endif
