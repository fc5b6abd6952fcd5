#include "training.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
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
      {std::move(list), n_atoms, volume, std::move(reference), std::move(linear), {}, {}, {}, {}});
  if (workers_[0]->engine().pooled()) pool(structures_.back());
}

void TrainingSet::pool(Structure& s) {
  Engine& engine = workers_[0]->engine();
  const std::vector<double> zeros(engine.n_trained(), 0.0);
  const int n = engine.n_features();
  engine.set_parameters(zeros.data());
  s.fixed = mlpot::predict(engine, s.list, s.n_atoms);
  s.q.assign(n, 0.0);
  if (s.reference.w_force > 0.0 && !s.reference.forces.empty())
    s.by_x.assign(3 * s.n_atoms * n, 0.0);
  if (s.reference.w_stress > 0.0 && !s.reference.stress.empty()) s.by_strain.assign(9 * n, 0.0);
  engine.pooled_features(s.list.view(), s.list.atom_of(),
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

Prediction TrainingSet::predict(Engine& engine, const Structure& s) const {
  return engine.pooled() ? predict_pooled(engine, s) : mlpot::predict(engine, s.list, s.n_atoms);
}

// What the loss compares, and no more: forces and strain where they have references.
Prediction TrainingSet::predict_pooled(Engine& engine, const Structure& s) const {
  Prediction p = s.fixed;
  const int n = engine.n_features();
  std::vector<double> dE_dq(n);
  p.energy += s.n_atoms * engine.pooled_energy(s.q.data(), dE_dq.data());
  const auto slope = [&](const std::vector<double>& rows, int row) {
    double sum = 0.0;
    for (int d = 0; d < n; d++) sum += dE_dq[d] * rows[row * n + d];
    return s.n_atoms * sum;
  };
  for (int k = 0; k < 3 * s.n_atoms && !s.by_x.empty(); k++) p.forces[k] -= slope(s.by_x, k);
  for (int k = 0; k < 9 && !s.by_strain.empty(); k++) p.dE_dstrain[k] += slope(s.by_strain, k);
  return p;
}

void TrainingSet::add_linear(const Structure& s, const double* parameters, Prediction& p) const {
  const double* z = parameters + n_parameters() - n_linear_;
  const auto times = [&](const double* row) {
    double sum = 0.0;
    for (int k = 0; k < n_linear_; k++) sum += z[k] * row[k];
    return sum;
  };
  p.energy += times(s.linear.energy.data());
  for (int k = 0; k < 3 * s.n_atoms; k++) p.forces[k] += times(&s.linear.forces[k * n_linear_]);
  for (int k = 0; k < 9; k++) p.dE_dstrain[k] += times(&s.linear.dE_dstrain[k * n_linear_]);
}

// The loss of one structure. Its gradient needs one more pass: the loss depends on the parameters
// through E, and through the derivative of E along the direction of the force and stress residuals.
double TrainingSet::add_loss(Engine& engine, const Structure& structure, const double* parameters,
                             double* gradient) const {
  const Reference& reference = structure.reference;
  Prediction p = predict(engine, structure);
  if (n_linear_ > 0) add_linear(structure, parameters, p);
  const int n = structure.n_atoms;
  const double de = reference.w_energy * (p.energy - reference.energy) / n;
  double loss = de * de;

  std::vector<double> moves(3 * n, 0.0);
  double strain[9] = {};
  if (!reference.forces.empty() && reference.w_force > 0.0)
    for (int i = 0; i < 3 * n; i++) {
      const double df = reference.w_force * (p.forces[i] - reference.forces[i]);
      loss += df * df;
      moves[i] = -2.0 * reference.w_force * df;  // F = -dE/dx
    }
  if (!reference.stress.empty() && reference.w_stress > 0.0)
    for (int a = 0; a < 3; a++)
      for (int b = a; b < 3; b++) {
        const double to_gpa = reference.w_stress * gpa / structure.volume;
        const double ds = to_gpa * p.dE_dstrain[3 * a + b] -
                          reference.w_stress * gpa * reference.stress[3 * a + b];
        loss += ds * ds;
        strain[3 * a + b] = 2.0 * ds * to_gpa;
      }
  add_gradient(engine, structure, 2.0 * reference.w_energy * de / n, moves, strain, gradient);
  return loss;
}

// Adds weight dE/dw and the derivative of dE/dw where atoms and space move.
void TrainingSet::add_gradient(Engine& engine, const Structure& s, double weight,
                               const std::vector<double>& moves, const double* strain,
                               double* gradient) const {
  double* linear = gradient + n_parameters() - n_linear_;
  for (int k = 0; k < n_linear_; k++) {
    linear[k] += weight * s.linear.energy[k];
    for (int i = 0; i < 3 * s.n_atoms; i++)
      linear[k] -= moves[i] * s.linear.forces[i * n_linear_ + k];
    for (int c = 0; c < 9; c++) linear[k] += strain[c] * s.linear.dE_dstrain[c * n_linear_ + k];
  }
  if (engine.pooled()) {
    const int n = engine.n_features();
    std::vector<double> direction(n, 0.0);
    for (int i = 0; i < 3 * s.n_atoms && !s.by_x.empty(); i++)
      for (int d = 0; d < n; d++) direction[d] += s.n_atoms * moves[i] * s.by_x[i * n + d];
    for (int c = 0; c < 9 && !s.by_strain.empty(); c++)
      for (int d = 0; d < n; d++) direction[d] += s.n_atoms * strain[c] * s.by_strain[c * n + d];
    engine.pooled_gradient(s.q.data(), s.n_atoms * weight, direction.data(), gradient);
    return;
  }
  std::vector<double> direction(3 * s.list.n_atoms());
  for (int i = 0; i < s.list.n_atoms(); i++)
    for (int axis = 0; axis < 3; axis++)
      direction[3 * i + axis] = moves[3 * s.list.atom_of()[i] + axis];
  engine.parameter_gradient(s.list.view(), weight, {direction.data(), strain}, gradient);
}

double TrainingSet::loss(const double* parameters, const std::vector<int>& indices,
                         double* gradient) {
  for (const auto& worker : workers_) worker->engine().set_parameters(parameters);
  const int n = static_cast<int>(indices.size()), n_w = n_parameters();
  std::vector<double> losses(n_chunks, 0.0);
  std::vector<std::vector<double>> gradients(n_chunks, std::vector<double>(n_w, 0.0));
  in_parallel(n_chunks, [&](Engine& engine, int chunk) {
    for (int k = chunk; k < n; k += n_chunks)
      losses[chunk] +=
          add_loss(engine, structures_[indices[k]], parameters, gradients[chunk].data());
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
  for (const auto& worker : workers_) worker->engine().set_parameters(parameters);
  std::vector<Prediction> predictions(indices.size());
  in_parallel(static_cast<int>(indices.size()), [&](Engine& engine, int k) {
    const Structure& structure = structures_[indices[k]];
    predictions[k] = mlpot::predict(engine, structure.list, structure.n_atoms);
    if (n_linear_ > 0) add_linear(structure, parameters, predictions[k]);
  });
  return predictions;
}

}  // namespace mlpot
