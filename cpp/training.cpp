#include "training.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace mlpot {

namespace {
constexpr double gpa = 160.2176634;  // one eV/Å^3
constexpr int n_chunks = 16;         // of structures, whose sums are added in this order
}  // namespace

TrainingSet::TrainingSet(const std::string& text, const std::string& where,
                         const std::string& kernels, int threads) {
  for (int t = 0; t < std::max(threads, 1); t++)
    workers_.push_back(std::make_unique<Potential>(text, where, kernels, true));
}

int TrainingSet::n_parameters() const { return workers_[0]->engine().n_trained() + n_linear_; }

void TrainingSet::add(NeighborList list, int n_atoms, double volume, Reference reference,
                      LinearPart linear) {
  if (!structures_.empty() && linear.n != n_linear_)
    throw std::invalid_argument("every structure needs as many linear columns");
  n_linear_ = linear.n;
  structures_.push_back(
      {std::nullopt, n_atoms, volume, std::move(reference), std::move(linear), {}, {}, {}, {}});
  Structure& structure = structures_.back();
  if (!structure.has_forces()) structure.linear.forces.clear();
  if (!structure.has_stress()) structure.linear.dE_dstrain.clear();
  if (workers_[0]->engine().pooled()) pool(structure, list);
  else structure.list = std::move(list);
}

void TrainingSet::pool(Structure& s, const NeighborList& list) {
  Engine& engine = workers_[0]->engine();
  const std::vector<double> zeros(engine.n_trained(), 0.0);
  const int n = engine.n_features();
  engine.set_parameters(zeros.data());
  s.fixed = mlpot::predict(engine, list, s.n_atoms);
  s.q.assign(n, 0.0);
  if (s.has_forces()) s.by_x.assign(3 * s.n_atoms * n, 0.0);
  if (s.has_stress()) s.by_strain.assign(9 * n, 0.0);
  engine.pooled_features(list.view(), list.atom_of(),
                         {s.q.data(), s.by_x.empty() ? nullptr : s.by_x.data(),
                          s.by_strain.empty() ? nullptr : s.by_strain.data()});
}

// Calls work(engine, task) for tasks 0 .. n - 1, each on one of the workers.
template <class Work>
void TrainingSet::in_parallel(int n, Work work) {
  std::atomic<int> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto run = [&](Potential& worker) {
    try {
      for (int task = next++; task < n; task = next++) work(worker.engine(), task);
    } catch (...) {
      const std::lock_guard<std::mutex> guard(failing);
      failure = std::current_exception();
      next = n;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t t = 1; t < workers_.size(); t++)
    threads.emplace_back([&, t] { run(*workers_[t]); });
  run(*workers_[0]);
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

// What the loss compares, and no more: forces and strain where they have references.
void TrainingSet::add_linear(const Structure& s, const double* parameters, Prediction& p) const {
  const LinearPart& linear = s.linear;
  const double* z = parameters + n_parameters() - n_linear_;
  const auto times = [&](const double* row) {
    double sum = 0.0;
    for (int k = 0; k < n_linear_; k++) sum += z[k] * row[k];
    return sum;
  };
  p.energy += times(linear.energy.data());
  for (int i = 0; i < 3 * s.n_atoms && !linear.forces.empty(); i++)
    p.forces[i] += times(&linear.forces[i * n_linear_]);
  for (int c = 0; c < 9 && !linear.dE_dstrain.empty(); c++)
    p.dE_dstrain[c] += times(&linear.dE_dstrain[c * n_linear_]);
}

TrainingSet::Residuals TrainingSet::compare(const Structure& s, const Prediction& p) const {
  const Reference& reference = s.reference;
  Residuals r;
  const double de = reference.w_energy * (p.energy - reference.energy) / s.n_atoms;
  r.loss = de * de;
  r.by_energy = 2.0 * reference.w_energy * de / s.n_atoms;
  if (s.has_forces()) {
    r.by_x.resize(3 * s.n_atoms);
    for (int i = 0; i < 3 * s.n_atoms; i++) {
      const double df = reference.w_force * (p.forces[i] - reference.forces[i]);
      r.loss += df * df;
      r.by_x[i] = -2.0 * reference.w_force * df;  // F = -dE/dx
    }
  }
  if (s.has_stress())
    for (int a = 0; a < 3; a++)
      for (int b = a; b < 3; b++) {
        const double to_gpa = reference.w_stress * gpa / s.volume;
        const double ds = to_gpa * p.dE_dstrain[3 * a + b] -
                          reference.w_stress * gpa * reference.stress[3 * a + b];
        r.loss += ds * ds;
        r.by_strain[3 * a + b] = 2.0 * ds * to_gpa;
      }
  return r;
}

void TrainingSet::add_linear_gradient(const Structure& s, const Residuals& r,
                                      double* gradient) const {
  double* to = gradient + n_parameters() - n_linear_;
  const auto add = [&](double weight, const double* row) {
    for (int k = 0; k < n_linear_; k++) to[k] += weight * row[k];
  };
  add(r.by_energy, s.linear.energy.data());
  for (int i = 0; i < 3 * s.n_atoms && !s.linear.forces.empty(); i++)
    add(-r.by_x[i], &s.linear.forces[i * n_linear_]);
  for (int c = 0; c < 9 && !s.linear.dE_dstrain.empty(); c++)
    add(r.by_strain[c], &s.linear.dE_dstrain[c * n_linear_]);
}

// The loss of one structure. Its gradient needs one more pass: the loss depends on the parameters
// through E, and through the derivative of E along the direction of the force and stress residuals.
double TrainingSet::add_loss(Engine& engine, const Structure& s, const double* parameters,
                             double* gradient) const {
  const NeighborList& list = *s.list;
  Prediction p = mlpot::predict(engine, list, s.n_atoms);
  if (n_linear_ > 0) add_linear(s, parameters, p);
  const Residuals r = compare(s, p);
  if (n_linear_ > 0) add_linear_gradient(s, r, gradient);
  std::vector<double> direction(3 * list.n_atoms(), 0.0);
  for (int i = 0; i < list.n_atoms() && !r.by_x.empty(); i++)
    for (int axis = 0; axis < 3; axis++)
      direction[3 * i + axis] = r.by_x[3 * list.atom_of()[i] + axis];
  engine.parameter_gradient(list.view(), r.by_energy, {direction.data(), r.by_strain}, gradient);
  return r.loss;
}

// The same of structures with pooled features, which are at hand: only the network is evaluated.
double TrainingSet::add_pooled_losses(Engine& engine, const std::vector<const Structure*>& some,
                                      const double* parameters, double* gradient) const {
  const int n = engine.n_features(), m = static_cast<int>(some.size());
  std::vector<double> q, energies(m), dE_dq(m * n), weights(m), directions(m * n, 0.0);
  for (const Structure* s : some) q.insert(q.end(), s->q.begin(), s->q.end());
  engine.pooled_energies(m, q.data(), energies.data(), dE_dq.data());
  double loss = 0.0;
  bool moving = false;
  for (int k = 0; k < m; k++) {
    const Structure& s = *some[k];
    const double *slope = &dE_dq[k * n], n_atoms = s.n_atoms;
    const auto along = [&](const double* row) {
      double sum = 0.0;
      for (int d = 0; d < n; d++) sum += slope[d] * row[d];
      return n_atoms * sum;
    };
    Prediction p = s.fixed;
    p.energy += n_atoms * energies[k];
    for (int i = 0; i < 3 * s.n_atoms && s.has_forces(); i++) p.forces[i] -= along(&s.by_x[i * n]);
    for (int c = 0; c < 9 && s.has_stress(); c++) p.dE_dstrain[c] += along(&s.by_strain[c * n]);
    if (n_linear_ > 0) add_linear(s, parameters, p);
    const Residuals r = compare(s, p);
    loss += r.loss;
    weights[k] = n_atoms * r.by_energy;
    moving = moving || s.has_forces() || s.has_stress();
    const auto add = [&](double weight, const double* row) {
      for (int d = 0; d < n; d++) directions[k * n + d] += n_atoms * weight * row[d];
    };
    for (int i = 0; i < 3 * s.n_atoms && s.has_forces(); i++) add(r.by_x[i], &s.by_x[i * n]);
    for (int c = 0; c < 9 && s.has_stress(); c++) add(r.by_strain[c], &s.by_strain[c * n]);
    if (n_linear_ > 0) add_linear_gradient(s, r, gradient);
  }
  engine.pooled_gradient(m, q.data(), weights.data(), moving ? directions.data() : nullptr,
                         gradient);
  return loss;
}

double TrainingSet::loss(const double* parameters, const std::vector<int>& indices,
                         double* gradient) {
  for (const auto& worker : workers_) worker->engine().set_parameters(parameters);
  const int n = static_cast<int>(indices.size()), n_w = n_parameters();
  std::vector<double> losses(n_chunks, 0.0);
  std::vector<std::vector<double>> gradients(n_chunks, std::vector<double>(n_w, 0.0));
  in_parallel(n_chunks, [&](Engine& engine, int chunk) {
    std::vector<const Structure*> some;
    for (int k = chunk; k < n; k += n_chunks) some.push_back(&structures_[indices[k]]);
    double* to = gradients[chunk].data();
    if (engine.pooled()) losses[chunk] = add_pooled_losses(engine, some, parameters, to);
    else
      for (const Structure* s : some) losses[chunk] += add_loss(engine, *s, parameters, to);
  });
  double total = 0.0;
  std::fill_n(gradient, n_w, 0.0);
  for (int chunk = 0; chunk < n_chunks; chunk++) {
    total += losses[chunk];
    for (int w = 0; w < n_w; w++) gradient[w] += gradients[chunk][w];
  }
  return total;
}

std::vector<Prediction> TrainingSet::predict(const double* parameters,
                                             const std::vector<int>& indices) {
  if (workers_[0]->engine().pooled())
    throw std::invalid_argument("predictions are not for pooled features");
  for (const auto& worker : workers_) worker->engine().set_parameters(parameters);
  std::vector<Prediction> predictions(indices.size());
  in_parallel(static_cast<int>(indices.size()), [&](Engine& engine, int k) {
    const Structure& s = structures_[indices[k]];
    predictions[k] = mlpot::predict(engine, *s.list, s.n_atoms);
    if (n_linear_ > 0) add_linear(s, parameters, predictions[k]);
  });
  return predictions;
}

}  // namespace mlpot
