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

int TrainingSet::n_parameters() const {
  return static_cast<int>(workers_[0]->elements().size()) * workers_[0]->engine().n_parameters();
}

void TrainingSet::add(NeighborList list, int n_atoms, double volume, Reference reference) {
  structures_.push_back({std::move(list), n_atoms, volume, std::move(reference)});
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

// The loss of one structure. Its gradient needs one more pass: the loss depends on the parameters
// through E, and through the derivative of E along the direction of the force and stress residuals.
double TrainingSet::add_loss(Engine& engine, const Structure& structure, double* gradient) const {
  const Reference& reference = structure.reference;
  const Prediction p = mlpot::predict(engine, structure.list, structure.n_atoms);
  const int n = structure.n_atoms;
  const double de = reference.w_energy * (p.energy - reference.energy) / n;
  double loss = de * de;

  std::vector<double> residual(3 * n, 0.0);
  double strain[9] = {};
  if (!reference.forces.empty() && reference.w_force > 0.0)
    for (int i = 0; i < 3 * n; i++) {
      const double df = reference.w_force * (p.forces[i] - reference.forces[i]);
      loss += df * df;
      residual[i] = -2.0 * reference.w_force * df;  // F = -dE/dx
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

  const NeighborList& list = structure.list;
  std::vector<double> direction(3 * list.n_atoms());
  for (int i = 0; i < list.n_atoms(); i++)
    for (int axis = 0; axis < 3; axis++)
      direction[3 * i + axis] = residual[3 * list.atom_of()[i] + axis];
  engine.parameter_gradient(list.view(), 2.0 * reference.w_energy * de / n,
                            {direction.data(), strain}, gradient);
  return loss;
}

double TrainingSet::loss(const double* parameters, const std::vector<int>& indices,
                         double* gradient) {
  for (const auto& worker : workers_) worker->engine().set_parameters(parameters);
  const int n = static_cast<int>(indices.size()), n_w = n_parameters();
  std::vector<double> losses(n_chunks, 0.0);
  std::vector<std::vector<double>> gradients(n_chunks, std::vector<double>(n_w, 0.0));
  in_parallel(n_chunks, [&](Engine& engine, int chunk) {
    for (int k = chunk; k < n; k += n_chunks)
      losses[chunk] += add_loss(engine, structures_[indices[k]], gradients[chunk].data());
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
  });
  return predictions;
}

}  // namespace mlpot
