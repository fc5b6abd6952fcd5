#include "mesh_sum.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "constants.hpp"
#include "hermite.hpp"
#include "spline_block.hpp"
#include "voigt.hpp"

namespace mlpot {

namespace {

constexpr int n_knots = 4096;       // of a kernel as a function of G^2
constexpr double direct_x = 0.5;    // below this x = G^2/(4 alpha^2) the kernel is computed, as it
constexpr double largest_x = 40.0;  // diverges at 0; above this it is 0
constexpr int p = spline_order;

}  // namespace

// Where an atom stands on the mesh. Rows along the last axis have p - 1 points more than the mesh:
// the first ones again.
struct MeshSum::Place {
  long row[p][p];
  double weight[3][p], slope[3][p];
};

MeshSum::MeshSum(const EwaldKernel& kernel, const Columns& columns, double spacing,
                 std::vector<double> beyond)
    : kernel_(kernel),
      columns_(columns),
      n_species_(columns.n_species),
      spacing_(spacing),
      beyond_(std::move(beyond)) {
  const double unit = 4.0 * kernel.alpha() * kernel.alpha();
  table_begin_ = direct_x * unit;
  table_spacing_ = (largest_x - direct_x) * unit / (n_knots - 1);
  const int n_pairs = n_species_pairs(n_species_);
  table_.assign(n_pairs, std::vector<double>(2 * n_knots));
  std::vector<double> phi(columns.n_powers), slope(columns.n_powers);
  for (int knot = 0; knot < n_knots; knot++) {
    kernel.reciprocal(table_begin_ + knot * table_spacing_, phi.data(), slope.data());
    for (int pair = 0; pair < n_pairs; pair++) {
      columns.gather(pair, phi.data(), &table_[pair][2 * knot]);
      columns.gather(pair, slope.data(), &table_[pair][2 * knot + 1]);
      table_[pair][2 * knot + 1] *= table_spacing_;
    }
  }
}

MeshSum::~MeshSum() = default;

// K_ab(G).
double MeshSum::kernel_at(int pair, double g2, double& slope) const {
  const double at = (g2 - table_begin_) / table_spacing_;
  slope = 0.0;
  if (at >= n_knots - 1) return 0.0;
  if (at < 0.0) {
    double phi[max_power + 1], slopes[max_power + 1], value = 0.0;
    kernel_.reciprocal(g2, phi, slopes);
    columns_.gather(pair, phi, &value);
    columns_.gather(pair, slopes, &slope);
    return value;
  }
  const int knot = static_cast<int>(at);
  const double value = hermite(&table_[pair][2 * knot], at - knot, slope);
  slope /= table_spacing_;
  return value;
}

void MeshSum::choose_mesh(const double* cell) {
  int n[3];
  for (int d = 0; d < 3; d++) {
    const double length = std::sqrt(cell[3 * d] * cell[3 * d] + cell[3 * d + 1] * cell[3 * d + 1] +
                                    cell[3 * d + 2] * cell[3 * d + 2]);
    n[d] = 2 * good_fft_size(std::max(p, static_cast<int>(std::ceil(0.5 * length / spacing_))));
  }
  if (std::equal(n, n + 3, n_)) return;
  if (static_cast<double>(n[0]) * n[1] * n[2] > 1e9)
    throw std::invalid_argument("the mesh for the sum over the lattice would have over 1e9 points");
  std::copy_n(n, 3, n_);
  size_ = static_cast<std::size_t>(n[0]) * n[1] * n[2];
  padded_ = n[2] + p - 1;
  fft_ = Fft3(n_);
  meshes_.assign((n_species_ + 1) / 2, {});
  for (Mesh& mesh : meshes_) {
    mesh.re.assign(size_, 0.0);
    mesh.im.assign(size_, 0.0);
  }
  work_.assign(static_cast<std::size_t>(n[0]) * n[1] * padded_, 0.0);

  double weight[p], slope[p];
  fill_splines(0.0, weight, slope);  // M_p(p - 1 - i)
  for (int d = 0; d < 3; d++) {
    moduli_[d].resize(n[d]);
    for (int m = 0; m < n[d]; m++) {
      double re = 0.0, im = 0.0;
      for (int i = 0; i < p; i++) {
        re += weight[i] * std::cos(two_pi * m * i / n[d]);
        im += weight[i] * std::sin(two_pi * m * i / n[d]);
      }
      // Twice the highest frequency is none: it has no sign, and is left out.
      moduli_[d][m] = 2 * m == n[d] ? 0.0 : 1.0 / (re * re + im * im);
    }
  }
}

// Calls visit(point, opposite point, G, B) for one half of all G.
template <class Visit>
void MeshSum::for_each_vector(Visit visit) const {
  const auto other = [&](int d, int m) { return m ? n_[d] - m : 0; };
  const auto signed_of = [&](int d, int m) { return 2 * m > n_[d] ? m - n_[d] : m; };
  for (int h = 0; 2 * h <= n_[0]; h++)
    for (int k = 0; k < n_[1]; k++) {
      const std::size_t row = (static_cast<std::size_t>(h) * n_[1] + k) * n_[2];
      const std::size_t other_row =
          (static_cast<std::size_t>(other(0, h)) * n_[1] + other(1, k)) * n_[2];
      if (other_row < row) continue;
      const double b = moduli_[0][h] * moduli_[1][k];
      for (int l = 0; l < n_[2]; l++) {
        const std::size_t at = row + l, opposite = other_row + other(2, l);
        if (opposite < at) continue;
        double g[3];
        for (int axis = 0; axis < 3; axis++)
          g[axis] =
              two_pi * (signed_of(0, h) * inverse_[0][axis] + signed_of(1, k) * inverse_[1][axis] +
                        signed_of(2, l) * inverse_[2][axis]);
        visit(at, opposite, g, b * moduli_[2][l]);
      }
    }
}

void MeshSum::make_kernels(const double* cell) {
  choose_mesh(cell);
  volume_ = invert(cell, inverse_);
  const int n_pairs = n_species_pairs(n_species_);
  kernels_.assign(n_pairs, {});
  by_g2_.assign(n_pairs, {});
  for (int pair = 0; pair < n_pairs; pair++) {
    kernels_[pair].assign(size_, 0.0);
    by_g2_[pair].assign(size_, 0.0);
  }
  for_each_vector([&](std::size_t at, std::size_t, const double* g, double b) {
    if (at == 0 || b == 0.0) return;
    const double g2 = g[0] * g[0] + g[1] * g[1] + g[2] * g[2];
    for (int pair = 0; pair < n_pairs; pair++) {
      double slope;
      kernels_[pair][at] = b / volume_ * kernel_at(pair, g2, slope);
      by_g2_[pair][at] = b / volume_ * slope;
    }
  });
  cell_.assign(cell, cell + 9);
}

MeshSum::Place MeshSum::place(const double* x) const {
  Place found;
  long first[3];
  for (int d = 0; d < 3; d++) {
    double s = inverse_[d][0] * x[0] + inverse_[d][1] * x[1] + inverse_[d][2] * x[2];
    s = (s - std::floor(s)) * n_[d];
    if (!(s <= n_[d]))
      throw std::invalid_argument("the position of an atom is not a finite number");
    const int below = std::min(static_cast<int>(s), n_[d] - 1);
    fill_splines(s - below, found.weight[d], found.slope[d]);
    first[d] = below - (p - 1) + (below < p - 1 ? n_[d] : 0);
  }
  const auto wrapped = [&](int d, int i) {
    const long at = first[d] + i;
    return at < n_[d] ? at : at - n_[d];
  };
  for (int i = 0; i < p; i++)
    for (int j = 0; j < p; j++)
      found.row[i][j] = (wrapped(0, i) * n_[1] + wrapped(1, j)) * padded_ + first[2];
  return found;
}

void MeshSum::spread(const LocalAtoms& atoms) {
  const int n = n_[2];
  for (int s = 0; s < 2 * static_cast<int>(meshes_.size()); s++) {
    std::vector<double>& mesh = s % 2 ? meshes_[s / 2].im : meshes_[s / 2].re;
    if (s >= n_species_) {
      std::fill(mesh.begin(), mesh.end(), 0.0);
      continue;
    }
    std::fill(work_.begin(), work_.end(), 0.0);
    for (int i = atoms.begin[s]; i < atoms.begin[s + 1]; i++)
      add_block(work_.data(), places_[i].row, places_[i].weight);
    for (int row = 0; row < n_[0] * n_[1]; row++) {
      const double* from = work_.data() + static_cast<std::size_t>(row) * padded_;
      double* to = mesh.data() + static_cast<std::size_t>(row) * n;
      std::copy_n(from, n, to);
      for (int k = 0; k < p - 1; k++) to[k] += from[n + k];
    }
  }
}

// meshes_ = sum over b of weight(pair, point, G) rho_b, back in real space; densities: of rho.
template <class Weight>
void MeshSum::convolve(const std::vector<Mesh>& densities, Weight weight) {
  const int n_meshes = static_cast<int>(meshes_.size());
  std::vector<double> rho(4 * n_meshes);  // re, im by species
  for_each_vector([&](std::size_t at, std::size_t opposite, const double* g, double) {
    unpack(densities, at, opposite, rho.data());
    for (int m = 0; m < n_meshes; m++) {
      double phi[4] = {};
      for (int half = 0; half < 2 && 2 * m + half < n_species_; half++)
        for (int b = 0; b < n_species_; b++) {
          const double w = weight(species_pair(2 * m + half, b, n_species_), at, g);
          phi[2 * half] += w * rho[2 * b];
          phi[2 * half + 1] += w * rho[2 * b + 1];
        }
      meshes_[m].re[at] = phi[0] - phi[3];
      meshes_[m].im[at] = phi[1] + phi[2];
      meshes_[m].re[opposite] = phi[0] + phi[3];
      meshes_[m].im[opposite] = phi[2] - phi[1];
    }
  });
  for (Mesh& mesh : meshes_) fft_.transform(mesh.im.data(), mesh.re.data());
}

// rho_a(G) of every species from its value and that at -G of the complex mesh it shares.
void MeshSum::unpack(const std::vector<Mesh>& densities, std::size_t at, std::size_t opposite,
                     double* rho) const {
  for (std::size_t m = 0; m < densities.size(); m++) {
    const double re = densities[m].re[at], im = densities[m].im[at];
    const double re_o = densities[m].re[opposite], im_o = densities[m].im[opposite];
    rho[4 * m] = 0.5 * (re + re_o);
    rho[4 * m + 1] = 0.5 * (im - im_o);
    rho[4 * m + 2] = 0.5 * (im + im_o);
    rho[4 * m + 3] = -0.5 * (re - re_o);
  }
}

void MeshSum::add_virial(const std::vector<Mesh>& densities, double share, double* virial) const {
  std::vector<double> rho(4 * densities.size());
  for_each_vector([&](std::size_t at, std::size_t opposite, const double* g, double) {
    unpack(densities, at, opposite, rho.data());
    double by_g2 = 0.0, kernel = 0.0;
    for (int a = 0; a < n_species_; a++)
      for (int b = 0; b < n_species_; b++) {
        const int pair = species_pair(a, b, n_species_);
        const double product = rho[2 * a] * rho[2 * b] + rho[2 * a + 1] * rho[2 * b + 1];
        by_g2 += by_g2_[pair][at] * product;
        kernel += kernels_[pair][at] * product;
      }
    const double scale = at == opposite ? share : 2.0 * share;
    for (int ab = 0; ab < 9; ab++)
      virial[ab] += scale * (by_g2 * g[ab / 3] * g[ab % 3] + (ab % 4 == 0 ? 0.5 * kernel : 0.0));
  });
}

// The mesh of a species, with the first points of each row again behind it.
void MeshSum::pad(int species) {
  const double* mesh = mesh_of(species);
  for (int row = 0; row < n_[0] * n_[1]; row++) {
    double* to = work_.data() + static_cast<std::size_t>(row) * padded_;
    std::copy_n(mesh + static_cast<std::size_t>(row) * n_[2], n_[2], to);
    std::copy_n(to, p - 1, to + n_[2]);
  }
}

void MeshSum::gather(const LocalAtoms& atoms, double n_all, Reduction* others,
                     const SumOutput& out) {
  std::vector<double> forces(3 * atoms.n());
  double net[3] = {};
  for (int a = 0; a < n_species_; a++) {
    pad(a);
    for (int i = atoms.begin[a]; i < atoms.begin[a + 1]; i++) {
      double sums[4];
      read_block(work_.data(), places_[i].row, places_[i].weight, places_[i].slope, sums);
      *out.energy += 0.5 * sums[0];
      if (out.energies) out.energies[atoms.index[i]] += 0.5 * sums[0];
      for (int axis = 0; axis < 3; axis++) {
        double force = 0.0;
        for (int d = 0; d < 3; d++) force -= n_[d] * inverse_[d][axis] * sums[1 + d];
        forces[3 * i + axis] = force;
        net[axis] += force;
      }
    }
  }
  if (others) others->sum(net, 3);  // is not quite zero on a mesh
  if (!out.forces) return;
  for (int i = 0; i < atoms.n(); i++)
    for (int axis = 0; axis < 3; axis++)
      out.forces[3 * atoms.index[i] + axis] += forces[3 * i + axis] - net[axis] / n_all;
}

void MeshSum::add_virials(const std::vector<Mesh>& densities, const LocalAtoms& atoms,
                          const SumOutput& out) {
  for (int v = 0; v < 6; v++) {
    const int row = voigt_row[v], column = voigt_column[v];
    convolve(densities, [&](int pair, std::size_t at, const double* g) {
      return by_g2_[pair][at] * g[row] * g[column] + (v < 3 ? 0.5 * kernels_[pair][at] : 0.0);
    });
    for (int a = 0; a < n_species_; a++) {
      pad(a);
      for (int i = atoms.begin[a]; i < atoms.begin[a + 1]; i++) {
        double sums[4];
        read_block(work_.data(), places_[i].row, places_[i].weight, places_[i].slope, sums);
        const long to = atoms.index[i];
        if (out.virials) out.virials[6 * to + v] += sums[0];
        if (!out.centroid_virials) continue;
        out.centroid_virials[9 * to + v] += sums[0];
        if (v >= 3) out.centroid_virials[9 * to + v + 3] += sums[0];  // is symmetric
      }
    }
  }
}

void MeshSum::add(const double* cell, const LocalAtoms& atoms, Reduction* others,
                  const SumOutput& out) {
  if (!std::equal(cell_.begin(), cell_.end(), cell, cell + 9)) make_kernels(cell);
  places_.clear();
  for (int i = 0; i < atoms.n(); i++) places_.push_back(place(atoms.x.data() + 3 * i));
  spread(atoms);
  std::vector<double> counts(n_species_ + 1, 1.0);  // the last: of processes
  for (int a = 0; a < n_species_; a++) counts[a] = atoms.begin[a + 1] - atoms.begin[a];
  if (others) {
    others->sum(counts.data(), n_species_ + 1);
    for (int s = 0; s < n_species_; s++) others->sum(mesh_of(s), static_cast<long>(size_));
  }
  for (Mesh& mesh : meshes_) fft_.transform(mesh.re.data(), mesh.im.data());
  const bool of_atoms = out.virials || out.centroid_virials;
  if (out.virial) add_virial(meshes_, 1.0 / counts[n_species_], out.virial);
  std::vector<Mesh> densities;
  if (of_atoms) densities = meshes_;
  convolve(meshes_, [&](int pair, std::size_t at, const double*) { return kernels_[pair][at]; });
  double n_all = 0.0;
  for (int a = 0; a < n_species_; a++) n_all += counts[a];
  gather(atoms, n_all, others, out);
  if (of_atoms) add_virials(densities, atoms, out);
  add_constants(kernel_, columns_, atoms, counts.data(), volume_, out, beyond_.data());
}

}  // namespace mlpot
