// Batch<Real>: the neighbours of W central atoms of one species, one atom a lane.
// for_each_batch(): the only neighbour packing in the project.
#pragma once

#include "buffer.hpp"
#include "neighborhood.hpp"
#include "pack.hpp"

MLPOT_BEGIN_KERNELS

// What a descriptor may know of the whole structure.
template <class Real>
struct CellInfo {
  Real volume;  // Å^3
  double n_atoms;
  const double* n_of_species;  // [n_species]
};

// What a descriptor sees. Slots are grouped by the neighbours' species; a lane with fewer
// neighbours than the others has its empty slots at the cutoff, where every cutoff function is
// zero.
template <class Real>
struct Batch {
  int species;         // of the central atoms
  int n;               // neighbour slots
  const int* begin;    // [n_species + 1] slots begin[s] .. begin[s+1] hold neighbours of species s
  const Real (*r)[3];  // [n] r_j - r_i, Å
  const Real* distance;        // [n] |r_j - r_i|
  const CellInfo<Real>* cell;  // for descriptors that need it
};

// Where the results of a batch belong.
template <int W>
struct Lanes {
  int n;                     // lanes in use
  int center[W];             // atom index of each central atom
  const int (*neighbor)[W];  // [slot][lane] atom index, -1 in an empty slot
};

// Closer than this, and without a core, a fitted potential says nothing: an error, never a number.
constexpr double closest_approach = 0.5;

// The room in which batches are packed; kept between calls.
template <int W>
class Packing {
 public:
  // r_cut: [n_species][n_species]; closest: the shortest distance that is not an error.
  Packing(int n_species, const double* r_cut, double closest)
      : n_species_(n_species),
        closest_squared_(closest * closest),
        r_cut_(n_species * n_species),
        cut_squared_(n_species * (n_species + 1)),
        begin_(n_species + 1),
        counts_(window * n_species),
        cursor_(n_species) {
    for (int a = 0; a < n_species; a++) {
      cut_squared_[a * (n_species + 1)] = -1.0;  // the neighbour is not ours
      for (int b = 0; b < n_species; b++) {
        const double r = r_cut[a * n_species + b];
        r_cut_[a * n_species + b] = r;
        cut_squared_[a * (n_species + 1) + 1 + b] = r * r;
      }
    }
  }

  // Calls visit(Batch<Pack<W>>, Lanes<W>) until every central atom was in one batch.
  template <class Visit>
  void for_each_batch(const Neighborhood& all, const CellInfo<Pack<W>>& cell, Visit visit) {
    cell_ = &cell;
    for (int species = 0; species < n_species_; species++) {
      n_waiting_ = n_found_ = 0;
      for (int k = 0; k < all.n_centers; k++) {
        const int i = all.centers[k];
        if (all.species_of_type[all.type[i]] != species) continue;
        find(all, species, i);
        if (n_waiting_ == window) pack_waiting(species, visit);
      }
      pack_waiting(species, visit);
    }
  }

 private:
  // A batch takes as long as its fullest lane: central atoms wait until there are this many, and
  // those with about as many neighbours go together.
  static constexpr int window = 16 * W;

  struct Found {
    double r[3];
    int atom, species;
  };
  struct Waiting {
    int center;
    int found, n;      // its neighbours in found_
    const int* count;  // [n_species]
  };

  template <class Visit>
  void pack_waiting(int species, Visit& visit) {
    for (int k = 1; k < n_waiting_; k++) {  // by insertion
      const Waiting moved = waiting_[k];
      int at = k;
      for (; at > 0 && fewer(moved, waiting_[at - 1]); at--) waiting_[at] = waiting_[at - 1];
      waiting_[at] = moved;
    }
    for (int k = 0; k < n_waiting_; k += W)
      pack(species, waiting_ + k, n_waiting_ - k < W ? n_waiting_ - k : W, visit);
    n_waiting_ = n_found_ = 0;
  }

  bool fewer(const Waiting& a, const Waiting& b) const {
    for (int s = 0; s < n_species_; s++)
      if (a.count[s] != b.count[s]) return a.count[s] < b.count[s];
    return false;
  }

  template <class Visit>
  void pack(int species, const Waiting* waiting, int n_lanes, Visit& visit) {
    Lanes<W> lanes;
    lanes.n = n_lanes;
    for (int lane = 0; lane < n_lanes; lane++) lanes.center[lane] = waiting[lane].center;

    begin_[0] = 0;
    for (int s = 0; s < n_species_; s++) {
      int most = 0;
      for (int lane = 0; lane < n_lanes; lane++) {
        const int n = waiting[lane].count[s];
        most = n > most ? n : most;
      }
      begin_[s + 1] = begin_[s] + most;
    }
    const int n = begin_[n_species_];
    Pack<W>(*r)[3] = reinterpret_cast<Pack<W>(*)[3]>(r_.grow(3 * n));
    Pack<W>* distance = distance_.grow(n);
    int (*neighbor)[W] = reinterpret_cast<int (*)[W]>(neighbor_.grow(W * n));
    for (int lane = 0; lane < W; lane++)
      place(species, lane, lane < n_lanes ? waiting + lane : nullptr, r, neighbor);
    for (int j = 0; j < n; j++)
      distance[j] = sqrt(r[j][0] * r[j][0] + r[j][1] * r[j][1] + r[j][2] * r[j][2]);

    lanes.neighbor = neighbor;
    visit(Batch<Pack<W>>{species, n, begin_.begin(), r, distance, cell_}, lanes);
  }

  // The neighbours of atom i inside the cutoff.
  void find(const Neighborhood& all, int species, int i) {
    const int* list = all.neighbors[i];
    const int n_list = all.n_neighbors[i];
    const double* xi = all.x + 3 * i;
    const double* cut_squared = cut_squared_.begin() + species * (n_species_ + 1) + 1;
    int *near = near_.grow(n_list), n = 0;  // most of a list lies outside: only noted where not
    for (int k = 0; k < n_list; k++) {
      const int j = list[k] & all.neighbor_mask;
      const double* xj = all.x + 3 * j;
      const int s = all.species_of_type[all.type[j]];
      const double dx = xj[0] - xi[0], dy = xj[1] - xi[1], dz = xj[2] - xi[2];
      near[n] = j;
      n += !(dx * dx + dy * dy + dz * dz >= cut_squared[s]);  // or not a number
    }
    Found* found = found_.extend(n_found_ + n) + n_found_;
    int* count = counts_.begin() + n_waiting_ * n_species_;
    for (int s = 0; s < n_species_; s++) count[s] = 0;
    int n_ours = 0;
    for (int k = 0; k < n; k++) {
      const double* xj = all.x + 3 * near[k];
      const int s = all.species_of_type[all.type[near[k]]];
      if (s < 0) continue;
      const double d[3] = {xj[0] - xi[0], xj[1] - xi[1], xj[2] - xi[2]};
      const double squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
      if (!(squared >= closest_squared_)) throw_too_close(i, near[k], __builtin_sqrt(squared));
      found[n_ours++] = {{d[0], d[1], d[2]}, near[k], s};
      count[s]++;
    }
    waiting_[n_waiting_++] = {i, n_found_, n_ours, count};
    n_found_ += n_ours;
  }

  // What was found, into the lane's slots; what is left over, at the cutoff.
  void place(int species, int lane, const Waiting* atom, Pack<W> (*r)[3], int (*neighbor)[W]) {
    for (int s = 0; s < n_species_; s++) cursor_[s] = begin_[s];
    for (int k = 0; atom && k < atom->n; k++) {
      const Found& found = found_[atom->found + k];
      const int slot = cursor_[found.species]++;
      for (int axis = 0; axis < 3; axis++) r[slot][axis].set(lane, found.r[axis]);
      neighbor[slot][lane] = found.atom;
    }
    for (int s = 0; s < n_species_; s++)
      for (int slot = cursor_[s]; slot < begin_[s + 1]; slot++) {
        r[slot][0].set(lane, r_cut_[species * n_species_ + s]);
        r[slot][1].set(lane, 0.0);
        r[slot][2].set(lane, 0.0);
        neighbor[slot][lane] = -1;
      }
  }

  int n_species_;
  double closest_squared_;
  const CellInfo<Pack<W>>* cell_ = nullptr;
  Buffer<double> r_cut_, cut_squared_;
  Buffer<int> begin_, counts_, cursor_, near_;
  Buffer<Found> found_;
  Waiting waiting_[window];
  int n_waiting_ = 0, n_found_ = 0;
  Buffer<Pack<W>> r_, distance_;
  Buffer<int> neighbor_;
};

MLPOT_END_KERNELS
