#include "neighborhood.hpp"

#include <cstdio>

namespace mlpot {

namespace {
std::string message(double distance) {
  char text[160];
  std::snprintf(text, sizeof text,
                "%.3g Å apart: closer than the potential can describe (add a core, \"zbl\", to the "
                "model, or mend the structure)",
                distance);
  return text;
}
}  // namespace

AtomsTooClose::AtomsTooClose(int i, int j, double distance)
    : std::runtime_error(message(distance)), i(i), j(j), distance(distance) {}

NotFinite::NotFinite(int i)
    : std::runtime_error("the energy of atom " + std::to_string(i) + " is not a finite number"),
      i(i) {}

void throw_too_close(int i, int j, double distance) { throw AtomsTooClose(i, j, distance); }

void throw_not_finite(int i) { throw NotFinite(i); }

void throw_no_volume() {
  throw std::invalid_argument(
      "the model needs a cell that is periodic in all three directions: its features are those of "
      "the volume");
}

}  // namespace mlpot
