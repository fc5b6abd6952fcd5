// The order of the components of per-atom virials: LAMMPS'.
#pragma once

namespace mlpot {

// xx yy zz xy xz yz, and for nine yx zx zy behind them.
static constexpr int voigt_row[9] = {0, 1, 2, 0, 0, 1, 1, 2, 2};
static constexpr int voigt_column[9] = {0, 1, 2, 1, 2, 2, 0, 0, 1};

}  // namespace mlpot
