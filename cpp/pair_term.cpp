#include "pair_term.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "voigt.hpp"

namespace mlpot {

namespace {

// The centers, sorted by species.
LocalAtoms sorted(const Neighborhood& all, int n_species) {
  LocalAtoms atoms;
  atoms.begin.assign(1, 0);
  for (int s = 0; s < n_species; s++) {
    for (int k = 0; k < all.n_centers; k++)
      if (all.species_of_type[all.type[all.centers[k]]] == s) atoms.index.push_back(all.centers[k]);
    atoms.begin.push_back(static_cast<int>(atoms.index.size()));
  }
  for (const int i : atoms.index) atoms.x.insert(atoms.x.end(), all.x + 3 * i, all.x + 3 * i + 3);
  return atoms;
}

}  // namespace

PairTerm::PairTerm(Block& block, int n_species) : n_species_(n_species) {
  const char* const known[] = {"ewald", "cut"};
  of_lattice_ = ewald_ = block.choice("sum", known) == 0;
  read_powers(block);
  const int n_pairs = n_species_pairs(n_species_);
  if (ewald_) {
    split(1.0);  // until one is chosen for a structure
  } else {
    const double r_cut = block.number("r_cut", 0.1, 100.0);
    taper_ = block.number("taper", 0.0, 100.0);
    if (taper_ > 0.9 * r_cut) block.refuse("taper", "expected at most 0.9 times r_cut");
    kernel_ = std::make_unique<CutKernel>(powers_, r_cut, taper_);
  }
  coefficients_.resize(n_pairs * n_powers());
  block.table("coefficients", n_pairs, n_powers(), coefficients_.data());
  zero_ =
      std::all_of(coefficients_.begin(), coefficients_.end(), [](double a) { return a == 0.0; });
  std::vector<double> r_min(n_pairs);
  block.numbers("r_min", n_pairs, 0.0, 0.0, ewald_ ? 100.0 : r_cut() - taper_, r_min.data());
  make_cores(r_min);
}

void PairTerm::read_powers(Block& block) {
  std::vector<double> powers(block.rows("powers"));
  if (powers.empty()) block.refuse("powers", "expected at least one power");
  block.numbers("powers", static_cast<int>(powers.size()), 0.0, ewald_ ? 1.0 : 0.0, max_power,
                powers.data());
  for (const double power : powers) {
    if (power != std::floor(power) || (!powers_.empty() && power <= powers_.back()))
      block.refuse("powers", "expected whole numbers in rising order");
    powers_.push_back(static_cast<int>(power));
  }
}

void PairTerm::split(double alpha, double eta) {
  kernel_ = std::make_unique<EwaldKernel>(powers_, alpha, eta);
  reciprocal_.reset();
  mesh_.reset();
  table_.reset();
  ewald_ = true;
}

void PairTerm::use_mesh(double accuracy, double r_cut) {
  const double eta = std::sqrt(-std::log(accuracy));
  split(eta / r_cut, eta);
  const auto& kernel = static_cast<const EwaldKernel&>(*kernel_);
  // In units of 1/alpha; measured.
  const double spacing = std::min(0.34, 0.33 * std::pow(accuracy / 1e-5, 0.2));
  const Columns columns(n_species_, n_powers(), coefficients_.data());
  table_ = std::make_unique<PairTable>(
      n_species_, r_cut, [this, columns](int pair, double r2, double* value, double* slope) {
        near(columns, pair, r2, value, slope);
      });
  mesh_ = std::make_unique<MeshSum>(kernel, columns, spacing / kernel.alpha(), table_->beyond());
}

void PairTerm::cut_at(double r_cut) {
  if (r_cut > 100.0) throw std::invalid_argument("the radius must be at most 100");
  for (const Core& core : cores_)
    if (core.r_min > 0.9 * r_cut)
      throw std::invalid_argument("the wall at " + std::to_string(core.r_min) +
                                  " A reaches into the last tenth of the radius");
  taper_ = 0.1 * r_cut;
  kernel_ = std::make_unique<CutKernel>(powers_, r_cut, taper_);
  ewald_ = false;
  reciprocal_.reset();
  mesh_.reset();
  table_.reset();
}

void PairTerm::split_for(int n, double volume, double r_most, double eta) {
  if (of_lattice_)
    split(std::max(EwaldKernel::balanced(std::max(n, 1), volume), eta / r_most), eta);
}

// V and its derivatives by r as the coefficients have it.
double PairTerm::bare(int pair, double r, double& dv_dr, double& d2v_dr2) const {
  double value[max_power + 1], slope[max_power + 1], curvature[max_power + 1];
  kernel_->power(r * r, value, slope, curvature);
  const double* a = coefficients_.data() + pair * n_powers();
  dv_dr = 2.0 * r * std::inner_product(a, a + n_powers(), slope, 0.0);
  d2v_dr2 = dv_dr / r + 4.0 * r * r * std::inner_product(a, a + n_powers(), curvature, 0.0);
  return std::inner_product(a, a + n_powers(), value, 0.0);
}

// Below r_min the data say nothing: V goes on as its Taylor polynomial of second order with a wall,
//   V(r_min) + V' s + V'' s^2/2 + c (r_min/r - 1)^3,  s = r - r_min,
// c the largest of 1 eV, |V'| r_min and |V''| r_min^2.
void PairTerm::make_cores(const std::vector<double>& r_min) {
  for (std::size_t pair = 0; pair < r_min.size(); pair++) {
    Core core = {r_min[pair], 0.0, 0.0, 0.0, 0.0};
    if (core.r_min > 0.0) {
      has_core_ = true;
      core.v = bare(static_cast<int>(pair), core.r_min, core.dv, core.d2v);
      core.strength = std::max(
          {1.0, std::fabs(core.dv) * core.r_min, std::fabs(core.d2v) * core.r_min * core.r_min});
    }
    cores_.push_back(core);
  }
}

bool PairTerm::repels() const {
  return std::all_of(cores_.begin(), cores_.end(), [](const Core& c) { return c.r_min > 0.0; });
}

// What a pair at a squared distance below r_cut adds, and its derivative by the squared distance.
void PairTerm::near(const Columns& columns, int pair, double r2, double* value,
                    double* slope) const {
  double of_powers[max_power + 1], slopes[max_power + 1];
  const Core& core = cores_[pair];
  if (!columns.summed() || r2 >= core.r_min * core.r_min) {
    kernel_->near(r2, of_powers, slopes);
    columns.gather(pair, of_powers, value);
    columns.gather(pair, slopes, slope);
    return;
  }
  kernel_->far(r2, of_powers, slopes);  // is in the reciprocal sum already
  columns.gather(pair, of_powers, value);
  columns.gather(pair, slopes, slope);
  const double r = std::sqrt(r2), s = r - core.r_min, wall = core.r_min / r - 1.0;
  value[0] =
      core.v + s * (core.dv + 0.5 * s * core.d2v) + core.strength * wall * wall * wall - value[0];
  const double dv_dr = core.dv + s * core.d2v - 3.0 * core.strength * wall * wall * core.r_min / r2;
  slope[0] = 0.5 * dv_dr / r - slope[0];
}

void PairTerm::at(int a, int b, double r, double& v, double& dv_dr) const {
  const Columns columns(n_species_, n_powers(), coefficients_.data());
  const int pair = species_pair(a, b, n_species_);
  v = dv_dr = 0.0;
  double value, slope, far[max_power + 1], far_slope[max_power + 1];
  if (ewald_) {
    kernel_->far(r * r, far, far_slope);
    columns.gather(pair, far, &v);
    columns.gather(pair, far_slope, &dv_dr);
  }
  if (ewald_ || r < r_cut()) {
    near(columns, pair, r * r, &value, &slope);
    v += value;
    dv_dr += slope;
  }
  dv_dr *= 2.0 * r;
}

// Every pair of neighbours is met from both of its atoms: each has half of its energy, and what the
// other one would add to its force and virial. Sums of atoms, then over them: one long sum of
// numbers that repeat, as in a crystal, is always rounded to the same side.
void PairTerm::add_neighbors(const Neighborhood& all, const Columns& columns, const int* atom_of,
                             const SumOutput& out) const {
  const int width = columns.width(), n_columns = columns.total();
  const double cut = r_cut() * r_cut();
  double value[max_power + 1], slope[max_power + 1];
  std::vector<double> energy(n_columns), virial(out.virial ? 9 * n_columns : 0);
  for (int k = 0; k < all.n_centers; k++) {
    const int i = all.centers[k], a = all.species_of_type[all.type[i]];
    if (a < 0) continue;
    const long to = atom_of ? atom_of[i] : i;
    std::fill(energy.begin(), energy.end(), 0.0);
    std::fill(virial.begin(), virial.end(), 0.0);
    for (int m = 0; m < all.n_neighbors[i]; m++) {
      const int j = all.neighbors[i][m] & all.neighbor_mask;
      const int b = all.species_of_type[all.type[j]];
      const double d[3] = {all.x[3 * j] - all.x[3 * i], all.x[3 * j + 1] - all.x[3 * i + 1],
                           all.x[3 * j + 2] - all.x[3 * i + 2]};
      const double r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
      if (b < 0 || r2 >= cut) continue;
      const int pair = species_pair(a, b, n_species_), first = columns.first(pair);
      near(columns, pair, r2, value, slope);
      for (int c = 0; c < width; c++) energy[first + c] += 0.5 * value[c];
      for (int axis = 0; out.forces && axis < 3; axis++) {
        double* f = out.forces + (3 * to + axis) * n_columns + first;
        for (int c = 0; c < width; c++) f[c] += 2.0 * slope[c] * d[axis];
      }
      for (int ab = 0; out.virial && ab < 9; ab++)
        for (int c = 0; c < width; c++)
          virial[ab * n_columns + first + c] -= slope[c] * d[ab / 3] * d[ab % 3];
      if (out.energies) out.energies[to] += 0.5 * value[0];
      for (int v = 0; v < 9; v++) {
        const double of_pair = -slope[0] * d[voigt_row[v]] * d[voigt_column[v]];
        if (out.virials && v < 6) out.virials[6 * to + v] += of_pair;
        if (out.centroid_virials) out.centroid_virials[9 * to + v] += of_pair;
      }
    }
    for (int c = 0; c < n_columns; c++) out.energy[c] += energy[c];
    for (std::size_t c = 0; c < virial.size(); c++) out.virial[c] += virial[c];
  }
}

void PairTerm::add(const Neighborhood& all, const Columns& columns, const int* atom_of,
                   const SumOutput& out) {
  if (mesh_ && columns.summed()) table_->add(all, out);
  else add_neighbors(all, columns, atom_of, out);
  if (!ewald_) return;
  if (!all.cell)
    throw std::invalid_argument(
        "the pair term is a sum over a lattice: the structure must be periodic in all directions");
  if (mesh_ && columns.summed()) {
    mesh_->add(all.cell, sorted(all, n_species_), all.others, out);
    return;
  }
  const auto& kernel = static_cast<const EwaldKernel&>(*kernel_);
  if (!reciprocal_ || !std::equal(cell_.begin(), cell_.end(), all.cell)) {
    reciprocal_ = std::make_unique<ReciprocalSum>(all.cell, kernel.g_cut());
    cell_.assign(all.cell, all.cell + 9);
  }
  reciprocal_->add(kernel, columns, sorted(all, n_species_), all.others, out);
}

double PairTerm::evaluate(const Neighborhood& all, const EngineOutput& out) {
  if (zero_ && !has_core_) return 0.0;
  double energy = 0.0, virial[9] = {};
  SumOutput sum = {&energy,      out.forces,  out.virial ? virial : nullptr,
                   out.energies, out.virials, out.centroid_virials};
  add(all, Columns(n_species_, n_powers(), coefficients_.data()), nullptr, sum);
  for (int v = 0; out.virial && v < 6; v++)
    out.virial[v] += virial[3 * voigt_row[v] + voigt_column[v]];
  return energy;
}

void PairTerm::design(const Neighborhood& all, const DesignOutput& out, int first) {
  const Columns columns(n_species_, n_powers());
  const int n = columns.total();
  std::vector<double> energy(n), forces(out.forces ? 3l * all.n_centers * n : 0),
      virial(out.virial ? 9 * n : 0);
  SumOutput sum = {energy.data(), out.forces ? forces.data() : nullptr,
                   out.virial ? virial.data() : nullptr};
  add(all, columns, out.atom_of, sum);
  const auto put = [&](const std::vector<double>& from, double* to) {
    for (std::size_t row = 0; row < from.size() / n; row++)
      for (int c = 0; c < n; c++) to[row * out.n_coefficients + first + c] += from[row * n + c];
  };
  put(energy, out.energy);
  if (out.forces) put(forces, out.forces);
  if (out.virial) put(virial, out.virial);
}

}  // namespace mlpot
