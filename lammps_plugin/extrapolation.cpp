#include "extrapolation.h"

#include "engine.hpp"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

using namespace LAMMPS_NS;

namespace {
constexpr double never = std::numeric_limits<double>::infinity();
}

Extrapolation::Extrapolation(LAMMPS* lmp)
    : Pointers(lmp), warn_(never), save_(never), stop_(never) {}

int Extrapolation::read(int narg, char** arg) {
  const std::string key = arg[0];
  if (key != "warn" && key != "save" && key != "stop" && key != "every") return 0;
  const int words = key == "save" ? 3 : 2;
  if (narg < words)
    error->all(FLERR, "Pair style mlpot keyword {}: expected a {}{} after it", key,
               key == "every" ? "number of steps" : "grade", words == 3 ? " and a file" : "");
  if (key == "every") {
    every_ = utils::inumeric(FLERR, arg[1], false, lmp);
    if (every_ < 1) error->all(FLERR, "Pair style mlpot keyword every: must be 1 or more");
    return words;
  }
  const double threshold = utils::numeric(FLERR, arg[1], false, lmp);
  if (!(threshold >= 0.0))
    error->all(FLERR, "Pair style mlpot keyword {}: the grade must be 0 or more", key);
  (key == "warn" ? warn_ : key == "save" ? save_ : stop_) = threshold;
  if (key == "save") file_ = arg[2];
  return words;
}

bool Extrapolation::active() const { return std::min({warn_, save_, stop_}) < never; }

bool Extrapolation::looks_now() const { return active() && update->ntimestep % every_ == 0; }

void Extrapolation::look(const mlpot::Grades& grades, const std::vector<std::string>& symbols) {
  const double lowest = std::min({warn_, save_, stop_});
  const double* of_atoms = grades.of_atoms;
  found[0] = std::count_if(of_atoms, of_atoms + atom->nlocal, [&](double g) { return g > lowest; });
  const Worst worst = worst_of_all(grades);
  found[1] = comm->me == 0 ? std::max(worst.grade, 0.0) : 0.0;
  if (worst.grade > save_) save(grades, symbols);
  if (worst.grade > stop_) error->all(FLERR, "{}", describe(worst, stop_, grades, symbols));
  if (worst.grade > warn_) {
    const std::string text = describe(worst, warn_, grades, symbols);
    if (comm->me == 0) error->warning(FLERR, "{}", text);
  }
}

// The rank that has the worst atom tells the others.
Extrapolation::Worst Extrapolation::worst_of_all(const mlpot::Grades& grades) const {
  struct {
    double grade;
    int rank;
  } mine = {grades.grade, comm->me}, greatest;
  MPI_Allreduce(&mine, &greatest, 1, MPI_DOUBLE_INT, MPI_MAXLOC, world);
  Worst worst = {grades.grade, 0.0, 0.0, 0.0, grades.value, grades.low, grades.high};
  if (grades.atom >= 0) {
    worst.tag = static_cast<double>(atom->tag[grades.atom]);
    worst.type = atom->type[grades.atom];
    worst.component = grades.component;
  }
  MPI_Bcast(&worst, sizeof worst / sizeof(double), MPI_DOUBLE, greatest.rank, world);
  return worst;
}

std::string Extrapolation::describe(const Worst& worst, double threshold,
                                    const mlpot::Grades& grades,
                                    const std::vector<std::string>& symbols) const {
  const char* what = grades.rule == mlpot::GradeRule::range ? "feature" : "component";
  std::ostringstream text;
  text << "Extrapolation at step " << update->ntimestep << ": " << count(grades, threshold)
       << " of " << atom->natoms << " atoms have a grade above " << threshold
       << "; the worst is atom " << static_cast<tagint>(worst.tag) << " ("
       << symbols[static_cast<int>(worst.type)] << "), grade " << worst.grade << ": " << what << " "
       << static_cast<int>(worst.component) << " is " << worst.value << ", in training "
       << worst.low << " to " << worst.high;
  return text.str();
}

bigint Extrapolation::count(const mlpot::Grades& grades, double threshold) const {
  bigint mine = 0, all;
  for (int i = 0; i < atom->nlocal; i++) mine += grades.of_atoms[i] > threshold;
  MPI_Allreduce(&mine, &all, 1, MPI_LMP_BIGINT, MPI_SUM, world);
  return all;
}

// One frame more of extended XYZ, atoms by id, positions from the corner of the box.
void Extrapolation::save(const mlpot::Grades& grades, const std::vector<std::string>& symbols) {
  constexpr int width = 6;  // id, type, position, grade
  std::vector<double> mine;
  for (int i = 0; i < atom->nlocal; i++) {
    mine.push_back(static_cast<double>(atom->tag[i]));
    mine.push_back(atom->type[i]);
    for (int axis = 0; axis < 3; axis++) mine.push_back(atom->x[i][axis] - domain->boxlo[axis]);
    mine.push_back(grades.of_atoms[i]);
  }
  int n_mine = static_cast<int>(mine.size()), n_all = 0;
  std::vector<int> counts(comm->nprocs), starts(comm->nprocs, 0);
  MPI_Gather(&n_mine, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, world);
  for (int rank = 0; rank < comm->nprocs && comm->me == 0; rank++) {
    starts[rank] = n_all;
    n_all += counts[rank];
  }
  std::vector<double> all(n_all);
  MPI_Gatherv(mine.data(), n_mine, MPI_DOUBLE, all.data(), counts.data(), starts.data(), MPI_DOUBLE,
              0, world);
  if (comm->me != 0) return;

  std::vector<const double*> atoms;
  for (int k = 0; k < n_all; k += width) atoms.push_back(all.data() + k);
  std::sort(atoms.begin(), atoms.end(), [](const double* a, const double* b) { return *a < *b; });
  std::ostringstream text;
  text.precision(17);
  text << atoms.size() << "\nLattice=\"" << domain->xprd << " 0 0 " << domain->xy << ' '
       << domain->yprd << " 0 " << domain->xz << ' ' << domain->yz << ' ' << domain->zprd
       << "\" Properties=species:S:1:pos:R:3:grade:R:1 step=" << update->ntimestep << " pbc=\""
       << "FT"[domain->xperiodic] << ' ' << "FT"[domain->yperiodic] << ' '
       << "FT"[domain->zperiodic] << "\"\n";
  for (const double* a : atoms)
    text << symbols[static_cast<int>(a[1])] << ' ' << a[2] << ' ' << a[3] << ' ' << a[4] << ' '
         << a[5] << '\n';
  std::ofstream file(file_, std::ios::app);
  if (!(file << text.str()).flush())
    error->one(FLERR, "Pair style mlpot cannot write {}: {}", file_, utils::getsyserror());
}
