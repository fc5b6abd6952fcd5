#include "potential.hpp"

#include <algorithm>

#include "elements.hpp"
#include "sha256.hpp"

namespace mlpot {

namespace {

constexpr int newest_version = 1;

// The hash is that of the whole file with the hash itself written as zeros.
void check_hash(Block& file, const std::string& text) {
  const std::string stored = file.text("sha256"), key = "\"sha256\": \"";
  const std::size_t at = text.rfind(key);
  if (at == std::string::npos || stored.size() != 64 || at + key.size() + 64 > text.size() ||
      text.compare(at + key.size(), 64, stored) != 0)
    file.refuse("sha256", "expected \"sha256\": \"<64 hexadecimal digits>\" as the last key");
  std::string zeroed = text;
  zeroed.replace(at + key.size(), 64, std::string(64, '0'));
  if (sha256(zeroed) != stored)
    file.refuse("sha256", "does not match the content: the file was edited or damaged");
}

std::vector<std::string> read_elements(Block& file, std::vector<int>& numbers) {
  const std::vector<std::string> elements = file.words("elements");
  if (elements.empty()) file.refuse("elements", "expected at least one element");
  for (const std::string& symbol : elements) {
    numbers.push_back(atomic_number(symbol));
    if (numbers.back() == 0) file.refuse("elements", "no such element: \"" + symbol + "\"");
    if (std::count(elements.begin(), elements.end(), symbol) > 1)
      file.refuse("elements", "\"" + symbol + "\" is there twice");
  }
  return elements;
}

void read_core(Block& file, double& inner, double& outer) {
  if (file.is_null("core")) return;
  Block core = file.child("core");
  const char* const known[] = {"zbl"};
  core.choice("type", known);
  inner = core.number("inner", 0.0, 100.0);
  outer = core.number("outer", 1e-3, 100.0);
  if (outer <= inner) core.refuse("outer", "it must be larger than inner");
  core.finish();
}

std::unique_ptr<Block> optional(Block& file, const char* key) {
  return file.is_null(key) ? nullptr : std::make_unique<Block>(file.child(key));
}

// Whether the rows of an active set are those of whole structures, which Python grades.
bool are_structures(Block& active_set) {
  const char* const known[] = {"atoms", "structures"};
  return active_set.choice("rows", known) == 1;
}

void check_inverse(Block& active_set, double n) {
  if (n * n > 1e8) active_set.refuse("inverse", "more than 1e8 numbers would be needed");
  std::vector<double> inverse(static_cast<std::size_t>(n * n));
  active_set.table("inverse", 1, static_cast<int>(inverse.size()), inverse.data());
}

}  // namespace

double largest_cutoff(const Engine& engine, std::size_t n_species) {
  double largest = 0.0;
  for (std::size_t a = 0; a < n_species; a++)
    for (std::size_t b = 0; b < n_species; b++)
      largest = std::max(largest, engine.r_cut(static_cast<int>(a), static_cast<int>(b)));
  return largest;
}

Potential::Potential(const std::string& text, const std::string& where, const std::string& kernels,
                     bool for_training) {
  Block file(text, where);
  const char* const format[] = {"mlpot"};
  file.choice("format", format);
  if (file.integer("version", 1, 1, 1000000) > newest_version)
    file.refuse("version", "the file is newer than this mlpot, which reads up to version " +
                               std::to_string(newest_version) + ": upgrade mlpot");
  check_hash(file, text);

  name_ = file.text("name");
  Block units = file.child("units");
  const char *const ev[] = {"eV"}, *const angstrom[] = {"angstrom"};
  units.choice("energy", ev);
  units.choice("length", angstrom);
  units.finish();

  std::vector<int> numbers;
  elements_ = read_elements(file, numbers);
  const int n = static_cast<int>(elements_.size());
  std::vector<double> e0(n);
  file.numbers("E0", n, 0.0, -1e300, 1e300, e0.data());
  double inner = 0.0, outer = 0.0;
  read_core(file, inner, outer);
  file.pass_over("provenance");
  if (!file.is_null("pair")) {
    Block pair = file.child("pair");
    pair_ = std::make_unique<PairTerm>(pair, n);
    pair.finish();
  }

  const char* const poolings[] = {"atom", "structure"};
  const bool pooled = file.choice("pooling", poolings) == 1;
  Block descriptor = file.child("descriptor"), regressor = file.child("regressor");
  std::unique_ptr<Block> scaling = optional(file, "scaling"), ranges = optional(file, "ranges"),
                         active_set = optional(file, "active_set");
  if (pooled && active_set) file.refuse("active_set", "expected null: it is for pooling \"atom\"");
  const bool of_structures = active_set && are_structures(*active_set);
  try {
    engine_ = make_engine(kernels,
                          {n, numbers.data(), e0.data(), inner, outer, pair_ && pair_->repels(),
                           descriptor, scaling.get(), regressor, for_training, pooled, ranges.get(),
                           of_structures ? nullptr : active_set.get()},
                          kernels_);
  } catch (const std::bad_alloc&) {
    throw ModelError(where + ": its descriptor and regressor need more memory than there is");
  } catch (const std::length_error&) {
    throw ModelError(where + ": its descriptor and regressor need more memory than there is");
  }
  if (of_structures) check_inverse(*active_set, n + n_coefficients());  // and E0
  for (const std::unique_ptr<Block>* block : {&scaling, &ranges, &active_set})
    if (*block) (*block)->finish();
  descriptor.finish();
  regressor.finish();
  file.finish();
}

double Potential::reach(int a, int b) const {
  const double r = engine_->r_cut(a, b);
  return pair_ ? std::max(r, pair_->r_cut()) : r;
}

double Potential::reach() const {
  return pair_ ? std::max(largest_cutoff(*engine_, elements_.size()), pair_->r_cut())
               : largest_cutoff(*engine_, elements_.size());
}

double Potential::r_cut() const {
  return pair_ && pair_->periodic() ? largest_cutoff(*engine_, elements_.size()) : reach();
}

int Potential::smoothness() const {
  return pair_ ? std::min(engine_->smoothness(), pair_->smoothness()) : engine_->smoothness();
}

double Potential::evaluate(const Neighborhood& all, const EngineOutput& out) {
  const double energy = engine_->evaluate(all, out);
  return pair_ ? energy + pair_->evaluate(all, out) : energy;
}

int Potential::n_coefficients() const {
  return engine_->n_regressors() * engine_->n_parameters() + (pair_ ? pair_->n_columns() : 0);
}

void Potential::design(const Neighborhood& all, const DesignOutput& out) {
  engine_->design(all, out);
  if (pair_) pair_->design(all, out, n_coefficients() - pair_->n_columns());
}

}  // namespace mlpot
