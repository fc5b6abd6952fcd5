#include "lattice_sum.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "constants.hpp"
#include "voigt.hpp"

namespace mlpot {

// What one species feels of another (or of all, weighted): sum over b of phi_ab S_b*.
struct ReciprocalSum::Field {
  Complex potential, by_g2;      // with phi, and with its derivative by G^2
  Complex structure;             // S_a of this process's atoms
  const double *weight, *slope;  // [width] of each column
  int first, width;
};

double invert(const double* cell, double (&inverse)[3][3]) {
  for (int d = 0; d < 3; d++) {
    const double *u = cell + 3 * ((d + 1) % 3), *v = cell + 3 * ((d + 2) % 3);
    for (int k = 0; k < 3; k++)
      inverse[d][k] = u[(k + 1) % 3] * v[(k + 2) % 3] - u[(k + 2) % 3] * v[(k + 1) % 3];
  }
  const double volume = cell[0] * inverse[0][0] + cell[1] * inverse[0][1] + cell[2] * inverse[0][2];
  for (auto& row : inverse)
    for (double& component : row) component /= volume;
  return std::fabs(volume);
}

ReciprocalSum::ReciprocalSum(const double* cell, double g_cut) : volume_(invert(cell, inverse_)) {
  double count = 1.0;
  for (int d = 0; d < 3; d++) {
    const double length = std::sqrt(cell[3 * d] * cell[3 * d] + cell[3 * d + 1] * cell[3 * d + 1] +
                                    cell[3 * d + 2] * cell[3 * d + 2]);
    count *= 2.0 * g_cut * length / two_pi + 1.0;
    if (count > 1e8) throw std::invalid_argument("the cell is too flat for a sum over its lattice");
    most_[d] = static_cast<int>(g_cut * length / two_pi);
  }
  for (int h = 0; h <= most_[0]; h++)
    for (int k = h ? -most_[1] : 0; k <= most_[1]; k++)
      for (int l = h || k ? -most_[2] : 1; l <= most_[2]; l++) {
        Vector v = {{h, k, l}, {}, 0.0};
        for (int axis = 0; axis < 3; axis++) {
          v.g[axis] =
              two_pi * (h * inverse_[0][axis] + k * inverse_[1][axis] + l * inverse_[2][axis]);
          v.squared += v.g[axis] * v.g[axis];
        }
        if (v.squared <= g_cut * g_cut) vectors_.push_back(v);
      }
}

void ReciprocalSum::make_phases(const LocalAtoms& atoms) {
  n_atoms_ = atoms.n();
  const std::size_t n = n_atoms_;
  for (auto* room : {&plane_re_, &plane_im_, &re_, &im_}) room->resize(n);
  plane_[0] = -1;
  for (int d = 0; d < 3; d++) {
    axis_re_[d].resize((2 * most_[d] + 1) * n);
    axis_im_[d].resize((2 * most_[d] + 1) * n);
    for (std::size_t i = 0; i < n; i++) {
      double s = 0.0;
      for (int axis = 0; axis < 3; axis++) s += inverse_[d][axis] * atoms.x[3 * i + axis];
      s -= std::floor(s);
      for (int m = 0; m <= most_[d]; m++) {
        const double re = std::cos(two_pi * m * s), im = std::sin(two_pi * m * s);
        axis_re_[d][(most_[d] - m) * n + i] = axis_re_[d][(most_[d] + m) * n + i] = re;
        axis_im_[d][(most_[d] - m) * n + i] = -im;
        axis_im_[d][(most_[d] + m) * n + i] = im;
      }
    }
  }
}

// e^{iG.r} of every atom into re_ and im_. Vectors come plane by plane.
void ReciprocalSum::phases_of(const Vector& vector) {
  const auto multiply = [&](const double* a_re, const double* a_im, const double* b_re,
                            const double* b_im, double* re, double* im) {
    for (int i = 0; i < n_atoms_; i++) {
      re[i] = a_re[i] * b_re[i] - a_im[i] * b_im[i];
      im[i] = a_re[i] * b_im[i] + a_im[i] * b_re[i];
    }
  };
  const auto at = [&](const std::vector<double>& table, int d) {
    return table.data() + static_cast<std::size_t>(vector.n[d] + most_[d]) * n_atoms_;
  };
  if (plane_[0] != vector.n[0] || plane_[1] != vector.n[1]) {
    multiply(at(axis_re_[0], 0), at(axis_im_[0], 0), at(axis_re_[1], 1), at(axis_im_[1], 1),
             plane_re_.data(), plane_im_.data());
    plane_[0] = vector.n[0];
    plane_[1] = vector.n[1];
  }
  multiply(plane_re_.data(), plane_im_.data(), at(axis_re_[2], 2), at(axis_im_[2], 2), re_.data(),
           im_.data());
}

//   E = 1/V sum_{G, half} sum_ab phi_ab(G) Re[S_a S_b*]   (a, b ordered; both halves counted)
// A process adds the share of its own atoms: S_a is its own, S_b that of all.
void ReciprocalSum::add(const EwaldKernel& kernel, const Columns& columns, const LocalAtoms& atoms,
                        Reduction* others, const SumOutput& out) {
  const int n_species = columns.n_species, n_powers = columns.n_powers, width = columns.width();
  make_phases(atoms);
  std::vector<Complex> own;
  own.reserve(vectors_.size() * n_species);
  for (const Vector& vector : vectors_) {
    phases_of(vector);
    for (int a = 0; a < n_species; a++) {
      double re = 0.0, im = 0.0;
      for (int i = atoms.begin[a]; i < atoms.begin[a + 1]; i++) {
        re += re_[i];
        im += im_[i];
      }
      own.emplace_back(re, im);
    }
  }
  std::vector<double> all(2 * own.size() + n_species);
  std::copy_n(reinterpret_cast<const double*>(own.data()), 2 * own.size(), all.begin());
  double* counts = all.data() + 2 * own.size();
  for (int a = 0; a < n_species; a++) counts[a] = atoms.begin[a + 1] - atoms.begin[a];
  if (others) others->sum(all.data(), static_cast<long>(all.size()));
  const Complex* total = reinterpret_cast<const Complex*>(all.data());

  std::vector<double> phi(n_powers), slope(n_powers);
  std::vector<double> weight(width), weight_slope(width);
  for (std::size_t g = 0; g < vectors_.size(); g++) {
    if (out.forces || out.energies || out.virials || out.centroid_virials) phases_of(vectors_[g]);
    kernel.reciprocal(vectors_[g].squared, phi.data(), slope.data());
    for (int a = 0; a < n_species; a++) {
      Field field = {0.0, 0.0,  own[g * n_species + a], weight.data(), weight_slope.data(),
                     0,   width};
      for (int b = 0; b < n_species; b++) {
        const int pair = species_pair(a, b, n_species);
        const Complex other = std::conj(total[g * n_species + b]);
        columns.gather(pair, phi.data(), weight.data());
        columns.gather(pair, slope.data(), weight_slope.data());
        if (columns.summed()) {
          field.potential += weight[0] * other;
          field.by_g2 += weight_slope[0] * other;
          continue;
        }
        field.potential = field.by_g2 = other;
        field.first = columns.first(pair);
        add_field(field, vectors_[g], atoms, a, columns, out);
      }
      if (!columns.summed()) continue;
      weight[0] = weight_slope[0] = 1.0;
      add_field(field, vectors_[g], atoms, a, columns, out);
    }
  }
  add_constants(kernel, columns, atoms, counts, volume_, out);
}

void ReciprocalSum::add_field(const Field& field, const Vector& vector, const LocalAtoms& atoms,
                              int species, const Columns& columns, const SumOutput& out) {
  const double scale = 1.0 / volume_;
  const int n_columns = columns.total();
  const double share = scale * (field.structure * field.potential).real();
  const double by_g2 = -2.0 * scale * (field.structure * field.by_g2).real();
  for (int c = 0; c < field.width; c++) {
    out.energy[field.first + c] += share * field.weight[c];
    if (!out.virial) continue;
    for (int ab = 0; ab < 9; ab++)
      out.virial[ab * n_columns + field.first + c] -=
          by_g2 * field.slope[c] * vector.g[ab / 3] * vector.g[ab % 3] -
          (ab % 4 == 0 ? share * field.weight[c] : 0.0);
  }
  const double t_re = field.potential.real(), t_im = field.potential.imag();
  const double d_re = field.by_g2.real(), d_im = field.by_g2.imag();
  for (int i = atoms.begin[species]; i < atoms.begin[species + 1]; i++) {
    const long to = atoms.index[i];
    if (out.forces) {
      const double pull = 2.0 * scale * (re_[i] * t_im + im_[i] * t_re);
      for (int axis = 0; axis < 3; axis++) {
        double* f = out.forces + (3 * to + axis) * n_columns + field.first;
        for (int c = 0; c < field.width; c++) f[c] += pull * vector.g[axis] * field.weight[c];
      }
    }
    if (!out.energies && !out.virials && !out.centroid_virials) continue;
    const double energy = scale * (re_[i] * t_re - im_[i] * t_im);
    const double strain = -2.0 * scale * (re_[i] * d_re - im_[i] * d_im);
    if (out.energies) out.energies[to] += energy;
    for (int v = 0; v < 9; v++) {
      const int a = voigt_row[v], b = voigt_column[v];
      const double virial = (a == b ? energy : 0.0) - strain * vector.g[a] * vector.g[b];
      if (out.virials && v < 6) out.virials[6 * to + v] += virial;
      if (out.centroid_virials) out.centroid_virials[9 * to + v] += virial;
    }
  }
}

void add_constants(const EwaldKernel& kernel, const Columns& columns, const LocalAtoms& atoms,
                   const double* counts, double volume, const SumOutput& out, const double* more) {
  const int n_species = columns.n_species, n_columns = columns.total(), width = columns.width();
  std::vector<double> phi(columns.n_powers), far(phi), unused(phi);
  std::vector<double> background(width), self(width);
  kernel.zero(phi.data());
  kernel.far(0.0, far.data(), unused.data());
  for (int a = 0; a < n_species; a++)
    for (int b = 0; b < n_species; b++) {
      const int pair = species_pair(a, b, n_species);
      const int begin = atoms.begin[a], end = atoms.begin[a + 1];
      columns.gather(pair, phi.data(), background.data());
      if (more) background[0] += more[pair];
      columns.gather(pair, far.data(), self.data());
      for (int c = 0; c < width; c++) {
        const double uniform = 0.5 / volume * counts[b] * background[c];  // of one atom
        const double energy = uniform - (a == b ? 0.5 * self[c] : 0.0);
        out.energy[columns.first(pair) + c] += (end - begin) * energy;
        for (int axis = 0; out.virial && axis < 3; axis++)
          out.virial[4 * axis * n_columns + columns.first(pair) + c] += (end - begin) * uniform;
        for (int i = begin; i < end; i++) {
          const long to = atoms.index[i];
          if (out.energies) out.energies[to] += energy;
          for (int v = 0; v < 3; v++) {
            if (out.virials) out.virials[6 * to + v] += uniform;
            if (out.centroid_virials) out.centroid_virials[9 * to + v] += uniform;
          }
        }
      }
    }
}

}  // namespace mlpot
