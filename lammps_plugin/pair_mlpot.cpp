#include "pair_mlpot.h"

#include "extrapolation.h"
#include "potential.hpp"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

using namespace LAMMPS_NS;

namespace {

// Comm keeps the group of `comm_modify group` to itself and its heirs.
struct GhostGroup : Comm {
  static int of(const Comm& comm) { return comm.*&GhostGroup::bordergroup; }
};

struct SumOverRanks : mlpot::Reduction {
  MPI_Comm world;
  explicit SumOverRanks(MPI_Comm world) : world(world) {}
  void sum(double* values, long n) override {
    constexpr long most = 1L << 30;  // MPI counts in int
    for (long from = 0; from < n; from += most) {
      const int count = static_cast<int>(std::min(most, n - from));
      MPI_Allreduce(MPI_IN_PLACE, values + from, count, MPI_DOUBLE, MPI_SUM, world);
    }
  }
};

const std::pair<const char*, mlpot::GradeRule> rules[] = {
    {"d_optimal", mlpot::GradeRule::d_optimal}, {"range", mlpot::GradeRule::range}};

bool is_rule(const std::string& name) {
  return name == "auto" || name == rules[0].first || name == rules[1].first;
}

}  // namespace

PairMLPOT::PairMLPOT(LAMMPS* lmp) : Pair(lmp) {
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  unit_convert_flag = 0;
  centroidstressflag = CENTROID_AVAIL;
}

PairMLPOT::~PairMLPOT() {
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

// pair_style mlpot [kernels NAME] [long pme ACCURACY | long ewald ACCURACY | long cut RADIUS]
//                  [grade RULE] [warn G] [save G FILE] [stop G] [every N]
void PairMLPOT::settings(int narg, char** arg) {
  const std::string before = kernels_;
  kernels_ = rule_ = "auto";
  long_ = "ewald";
  accuracy_ = 1e-16;
  extrapolation_ = std::make_unique<Extrapolation>(lmp);
  for (int i = 0; i < narg;) {
    const std::string key = arg[i];
    if (const int taken = extrapolation_->read(narg - i, arg + i)) {
      i += taken;
    } else if (key == "kernels" && i + 2 <= narg) {
      kernels_ = arg[i + 1];
      i += 2;
    } else if (key == "grade" && i + 2 <= narg && is_rule(arg[i + 1])) {
      rule_ = arg[i + 1];
      i += 2;
    } else if (key == "long" && i + 3 <= narg) {
      long_range(arg[i + 1], utils::numeric(FLERR, arg[i + 2], false, lmp));
      i += 3;
    } else {
      error->all(FLERR,
                 "Unknown pair_style mlpot argument '{}': expected nothing, kernels and a name, "
                 "long with pme ACCURACY, ewald ACCURACY or cut RADIUS, grade with auto, range or "
                 "d_optimal, or warn, save, stop or every",
                 key);
    }
  }
  if (potential_ && kernels_ != before)
    error->all(FLERR, "pair_style mlpot kernels cannot change once pair_coeff has read a model");
  nextra = extrapolation_->active() ? 2 : 0;
  pvector = extrapolation_->found;
}

void PairMLPOT::long_range(const std::string& method, double value) {
  long_ = method;
  if (method == "ewald" || method == "pme") {
    const double least = method == "ewald" ? 1e-16 : 1e-8;
    if (!(value >= least && value <= 1e-2))
      error->all(FLERR, "pair_style mlpot long {}: the accuracy must be from {} to 0.01", method,
                 least);
    accuracy_ = value;
  } else if (method == "cut") {
    if (!(value > 0.0)) error->all(FLERR, "pair_style mlpot long cut: the radius must be above 0");
    long_cut_ = value;
  } else {
    error->all(FLERR, "Unknown pair_style mlpot long method '{}': expected pme, ewald or cut",
               method);
  }
}

// pair_coeff * * Mo.json Mo NULL ...
void PairMLPOT::coeff(int narg, char** arg) {
  const int n = atom->ntypes;
  if (narg != 3 + n)
    error->all(FLERR,
               "pair_coeff for mlpot: expected * * FILE and {} element names (or NULL), one for "
               "each atom type, got {} after the file",
               n, std::max(narg - 3, 0));
  if (strcmp(arg[0], "*") != 0 || strcmp(arg[1], "*") != 0)
    error->all(FLERR, "pair_coeff for mlpot must start with * *: a model file describes all pairs");

  const std::string text = read_on_first_rank(arg[2]);
  std::unique_ptr<mlpot::Potential> potential;
  std::string why;
  try {
    potential = std::make_unique<mlpot::Potential>(text, arg[2], kernels_);
  } catch (const std::exception& e) {
    why = e.what();
  }
  // Processors may differ in their kernels and memory: those without an error must not wait.
  int failed = !why.empty(), everywhere;
  MPI_Allreduce(&failed, &everywhere, 1, MPI_INT, MPI_MIN, world);
  if (everywhere) error->all(FLERR, "{}", why);
  if (failed) error->one(FLERR, "{}", why);
  require_rules(*potential);
  assign_species(potential->elements(), n, arg + 3);
  potential_ = std::move(potential);
  // r f lacks what the volume does, and pair forces are not those on ghosts.
  no_virial_fdotr_compute = potential_->engine().needs_cell() || potential_->pair();
}

std::string PairMLPOT::read_on_first_rank(const std::string& file) {
  std::string text, why;
  bigint size = -1;
  if (comm->me == 0) {
    const std::string path = utils::get_potential_file_path(file);
    std::ifstream stream(path.empty() ? file : path, std::ios::binary);
    if (stream) {
      try {
        text.assign(std::istreambuf_iterator<char>(stream), {});
        size = static_cast<bigint>(text.size());
      } catch (const std::exception&) {  // a folder, a broken disk
      }
    }
    why = utils::getsyserror();
  }
  MPI_Bcast(&size, 1, MPI_LMP_BIGINT, 0, world);
  if (size < 0)
    error->all(FLERR, "Cannot open mlpot model file {}{}", file, why.empty() ? "" : ": " + why);
  if (size > MAXSMALLINT) error->all(FLERR, "mlpot model file {} is larger than 2 GB", file);
  text.resize(size);
  MPI_Bcast(&text[0], static_cast<int>(size), MPI_CHAR, 0, world);
  return text;
}

void PairMLPOT::assign_species(const std::vector<std::string>& elements, int n_names,
                               char** names) {
  std::vector<int> species(n_names + 1, -1);
  for (int type = 1; type <= n_names; type++) {
    const std::string name = names[type - 1];
    if (name == "NULL") continue;
    const auto found = std::find(elements.begin(), elements.end(), name);
    if (found == elements.end()) {
      std::string known;
      for (const std::string& symbol : elements) known += " " + symbol;
      error->all(FLERR, "pair_coeff for mlpot: element {} is not in the model, which has{}", name,
                 known);
    }
    species[type] = static_cast<int>(found - elements.begin());
  }

  if (std::count(species.begin(), species.end(), -1) == n_names + 1)
    error->all(FLERR, "pair_coeff for mlpot: every atom type is NULL");

  if (!allocated) {
    memory->create(setflag, n_names + 1, n_names + 1, "pair:setflag");
    memory->create(cutsq, n_names + 1, n_names + 1, "pair:cutsq");
    allocated = 1;
  }
  for (int i = 1; i <= n_names; i++)
    for (int j = 1; j <= n_names; j++) setflag[i][j] = species[i] >= 0 && species[j] >= 0;
  symbols_.assign(n_names + 1, "X");
  for (int type = 1; type <= n_names; type++)
    if (species[type] >= 0) symbols_[type] = elements[species[type]];
  species_of_type_ = std::move(species);
}

// The rule asked for, or else the sharper one that the model has.
bool PairMLPOT::find_rule(const mlpot::Potential& potential, mlpot::GradeRule& found) const {
  for (const auto& [name, rule] : rules)
    if ((rule_ == "auto" || rule_ == name) && potential.engine().has_grade(rule)) {
      found = rule;
      return true;
    }
  return false;
}

// What pair_style asks of the model.
void PairMLPOT::require_rules(const mlpot::Potential& potential) const {
  if (rule_ != "auto") require_rule(potential, "pair_style mlpot grade " + rule_);
  if (extrapolation_->active()) require_rule(potential, "pair_style mlpot warn, save and stop");
}

void PairMLPOT::require_rule(const mlpot::Potential& potential, const std::string& who) const {
  mlpot::GradeRule found;
  if (find_rule(potential, found)) return;
  const char* lacks = rule_ == "range"       ? "ranges"
                      : rule_ == "d_optimal" ? "active set of atoms"
                                             : "ranges and no active set of atoms";
  error->all(FLERR, "{}: the model {} has no {}; `mlpot cover` adds them from the training set",
             who, potential.name(), lacks);
}

// pair_modify keywords that would change nothing here.
void PairMLPOT::modify_params(int narg, char** arg) {
  for (int i = 0; i + 1 < narg; i++) {
    const std::string key = arg[i], value = arg[i + 1];
    if (key == "mix" ||
        ((key == "shift" || key == "tail") && utils::logical(FLERR, value, false, lmp)))
      error->all(FLERR, "pair_modify {} has no meaning for pair_style mlpot", key);
  }
  Pair::modify_params(narg, arg);
}

void PairMLPOT::refuse_what_cannot_be_honoured() {
  if (force->newton_pair == 0) error->all(FLERR, "Pair style mlpot requires newton pair on");
  if (strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR, "Pair style mlpot requires units metal (eV, Angstrom), not {}",
               update->unit_style);
  if (domain->dimension != 3)
    error->all(FLERR, "Pair style mlpot requires a 3d simulation (dimension 3)");
  if (potential_->engine().needs_cell() &&
      !(domain->xperiodic && domain->yperiodic && domain->zperiodic))
    error->all(FLERR,
               "Pair style mlpot requires boundary p p p for this model: its features are those of "
               "the volume");
  if (atom->tag_enable == 0)
    error->all(FLERR, "Pair style mlpot requires atom IDs (atom_modify id yes)");
  if (neighbor->nex_type || neighbor->nex_group || neighbor->nex_mol)  // ->exclude is set later
    error->all(FLERR,
               "Pair style mlpot cannot be used with neigh_modify exclude: without all "
               "neighbors its energy would be another one");
  if (GhostGroup::of(*comm))
    error->all(FLERR,
               "Pair style mlpot cannot be used with comm_modify group: it needs all neighbors");
  if (neighbor->includegroup)
    error->all(FLERR,
               "Pair style mlpot cannot be used with neigh_modify include: it needs all atoms");
  if (atom->molecular != Atom::ATOMIC)
    for (int k = 1; k <= 3; k++)
      if (force->special_lj[k] != 1.0 || force->special_coul[k] != 1.0)
        error->all(FLERR,
                   "Pair style mlpot requires special_bonds lj/coul 1 1 1: it needs all neighbors");
}

void PairMLPOT::init_style() {
  refuse_what_cannot_be_honoured();
  require_rules(*potential_);  // pair_style may have been given again
  prepare_long_range();
  if (no_virial_fdotr_compute)  // a hybrid style asked before it was known
    force->pair->no_virial_fdotr_compute = 1;
  neighbor->add_request(this, NeighConst::REQ_FULL);
}

// Splits a sum over the lattice so that the part in real space ends where neighbors do.
void PairMLPOT::prepare_long_range() {
  mlpot::PairTerm* pair = potential_->pair();
  if (!pair || !pair->of_lattice()) return;
  if (long_ == "cut") {
    try {
      pair->cut_at(long_cut_);
    } catch (const std::exception& e) {
      error->all(FLERR, "pair_style mlpot long cut {}: {}", long_cut_, e.what());
    }
    return;
  }
  if (!domain->xperiodic || !domain->yperiodic || !domain->zperiodic)
    error->all(FLERR,
               "Pair style mlpot: the model's pair term is a sum over a lattice and needs boundary "
               "p p p, or pair_style mlpot long cut RADIUS");
  constexpr double r_most = 10.0;  // Å: farther, the reciprocal sum is cheaper for any box
  if (long_ == "pme") {
    pair->use_mesh(accuracy_, r_most);
    return;
  }
  if (atom->natoms > 4000 && comm->me == 0)
    error->warning(FLERR, "Pair style mlpot: long ewald is slow for {} atoms; see long pme",
                   atom->natoms);
  pair->split_for(static_cast<int>(std::min<bigint>(atom->natoms, MAXSMALLINT)),
                  domain->xprd * domain->yprd * domain->zprd, r_most,
                  std::sqrt(-std::log(accuracy_)));
}

double PairMLPOT::init_one(int i, int j) {
  if (setflag[i][j] == 0) error->all(FLERR, "All pair coeffs are not set");
  return potential_->reach(species_of_type_[i], species_of_type_[j]);
}

void PairMLPOT::compute(int eflag, int vflag) {
  ev_init(eflag, vflag);
  const bool looks = extrapolation_->looks_now();
  mlpot::Grades grades;
  if (looks || grade_flag_) prepare(grades);
  SumOverRanks others(world);
  const double cell[9] = {domain->xprd, 0.0,        0.0,        domain->xy,  domain->yprd,
                          0.0,          domain->xz, domain->yz, domain->zprd};
  const mlpot::Neighborhood all = {list->inum,
                                   list->ilist,
                                   list->numneigh,
                                   list->firstneigh,
                                   NEIGHMASK,
                                   atom->x[0],
                                   atom->type,
                                   species_of_type_.data(),
                                   domain->xprd * domain->yprd * domain->zprd,
                                   &others,
                                   cell};
  mlpot::EngineOutput out;
  out.forces = atom->f[0];
  if (eflag_atom) out.energies = eatom;
  if (vflag_global && !vflag_fdotr) out.virial = virial;
  if (vflag_atom) out.virials = vatom[0];
  if (cvflag_atom) out.centroid_virials = cvatom[0];
  if (looks || grade_flag_) out.grades = &grades;
  try {
    const double energy = potential_->evaluate(all, out);
    if (eflag_global) eng_vdwl += energy;
  } catch (const mlpot::AtomsTooClose& e) {
    error->one(FLERR, "Atoms {} and {} are {}", atom->tag[e.i], atom->tag[e.j], e.what());
  } catch (const mlpot::NotFinite& e) {
    error->one(FLERR, "The energy of atom {} is not a finite number", atom->tag[e.i]);
  } catch (const std::exception& e) {
    error->one(FLERR, "pair_style mlpot: {}", e.what());
  }
  if (looks) extrapolation_->look(grades, symbols_);
  if (vflag_fdotr) virial_fdotr_compute();
}

void PairMLPOT::prepare(mlpot::Grades& grades) {
  grades_.assign(atom->nmax, 0.0);  // atoms that are not ours keep it
  grades.of_atoms = grades_.data();
  find_rule(*potential_, grades.rule);
  graded_step_ = update->ntimestep;
}

// For fix pair, which asks for grades of a step through grade_flag and takes them after it.
void* PairMLPOT::extract(const char* name, int& dimension) {
  dimension = 0;
  return strcmp(name, "grade_flag") == 0 ? &grade_flag_ : nullptr;
}

void* PairMLPOT::extract_peratom(const char* name, int& columns) {
  if (strcmp(name, "grade") != 0) return nullptr;
  columns = 0;
  if (!potential_) error->all(FLERR, "fix pair mlpot grade: give the pair_coeff command before it");
  require_rule(*potential_, "fix pair mlpot grade");
  if (update->whichflag != 0 && graded_step_ != update->ntimestep)
    error->all(FLERR, "fix pair mlpot grade: expected grade 1, which has them computed");
  return grades_.data();
}
