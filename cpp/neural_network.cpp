// Feed-forward neural network, one for each species:  x_0 = q,  x_l = f(W_l x_(l-1) + b_l), E =
// x_L, where the last layer is one linear node. Parameters of a species, layer by layer: the
// weights W_l [out][in] row by row, then the biases b_l. With symmetry functions: NNP (Behler and
// Parrinello, PRL 98 (2007) 146401).
#include "regressor.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class NeuralNetwork : public Regressor<Real> {
 public:
  NeuralNetwork(Block& block, int n_species, int n_features) {
    const char* const activations[] = {"tanh", "softplus", "silu", "linear", "tanh_linear"};
    activation_ = block.choice("activation", activations);
    gamma_ = block.number("gamma", 0.0, -10.0, 10.0);
    n_layers_ = block.rows("layers") + 1;
    if (n_layers_ > max_layers) block.refuse("layers", "expected at most 15 hidden layers");
    double nodes[max_layers];
    block.numbers("layers", n_layers_ - 1, 1.0, 1.0, 10000.0, nodes);
    size_[0] = n_features;
    for (int l = 1; l < n_layers_; l++) {
      size_[l] = static_cast<int>(nodes[l - 1]);
      if (size_[l] != nodes[l - 1]) block.refuse("layers", "expected whole numbers of nodes");
    }
    size_[n_layers_] = 1;
    double n = 0.0;
    for (int l = 1; l <= n_layers_; l++) n += size_[l] * (size_[l - 1] + 1.0);
    check_size(block, n_species, n);
    n_parameters_ = n_nodes_ = 0;
    for (int l = 1; l <= n_layers_; l++) {
      n_parameters_ += size_[l] * (size_[l - 1] + 1);
      n_nodes_ += size_[l];
    }
    w_.grow(n_species * n_parameters_);
    block.table("coefficients", n_species, n_parameters_, w_.begin());
    x_.grow(n_features + n_nodes_);
    slope_.grow(n_features + n_nodes_);
    bar_.grow(n_features + n_nodes_);
  }

  int n_parameters() const override { return n_parameters_; }

  void set_parameters(int species, const double* w) override {
    for (int i = 0; i < n_parameters_; i++) w_[species * n_parameters_ + i] = w[i];
  }

  Real energy(int species, const Real* q, Real* dE_dq) override {
    const Real e = forward(species, q);
    backward(species);
    for (int i = 0; i < size_[0]; i++) dE_dq[i] = bar_[i];
    return e;
  }

  void parameter_gradient(int species, const Real* q, Real* dE_dw) override {
    forward(species, q);
    backward(species);
    const Real* x = x_.begin();
    const Real* bar = bar_.begin() + size_[0];
    for (int l = 1; l <= n_layers_; l++) {
      const int n_in = size_[l - 1], n_out = size_[l];
      for (int o = 0; o < n_out; o++)
        for (int i = 0; i < n_in; i++) *dE_dw++ = bar[o] * x[i];
      for (int o = 0; o < n_out; o++) *dE_dw++ = bar[o];
      x += n_in;
      bar += n_out;
    }
  }

 private:
  static constexpr int max_layers = 16;

  // f(x) and its derivative.
  void activate(Real x, Real& f, Real& df) const {
    const Real one(1.0);
    switch (activation_) {
      case 1: {  // log(1 + e^x), without overflow
        const Real size = select(x < Real(0.0), -x, x), e = exp(-size);
        f = select(x < Real(0.0), Real(0.0), x) + log(one + e);
        df = select(x < Real(0.0), e, one) / (one + e);
        break;
      }
      case 2: {
        const Real s = one / (one + exp(-x));
        f = x * s;
        df = s * (one + x * (one - s));
        break;
      }
      case 3:
        f = x;
        df = one;
        break;
      default:  // tanh, and tanh + gamma x
        f = tanh(x);
        df = one - f * f;
        if (activation_ == 4) {
          f += Real(gamma_) * x;
          df += Real(gamma_);
        }
    }
  }

  Real forward(int species, const Real* q) {
    const double* w = w_.begin() + species * n_parameters_;
    Real* x = x_.begin();
    Real* slope = slope_.begin() + size_[0];
    for (int i = 0; i < size_[0]; i++) x[i] = q[i];
    for (int l = 1; l <= n_layers_; l++) {
      const int n_in = size_[l - 1], n_out = size_[l];
      const double* b = w + n_in * n_out;
      Real* y = x + n_in;
      for (int o = 0; o < n_out; o += 4) {  // four sums at once hide the latency of each
        const int n = n_out - o < 4 ? n_out - o : 4;
        Real sum[4];
        const double* row[4];
        for (int k = 0; k < 4; k++) {
          row[k] = w + (k < n ? o + k : o) * n_in;
          sum[k] = Real(b[k < n ? o + k : o]);
        }
        for (int i = 0; i < n_in; i++)
          for (int k = 0; k < 4; k++) sum[k] += Real(row[k][i]) * x[i];
        for (int k = 0; k < n; k++) {
          if (l < n_layers_) activate(sum[k], y[o + k], slope[o + k]);
          else y[o + k] = sum[k];
        }
      }
      x = y;
      slope += n_out;
      w = b + n_out;
    }
    return *x;
  }

  // bar: dE/dq, then dE/d(W x + b) of each layer.
  void backward(int species) {
    const double* w = w_.begin() + (species + 1) * n_parameters_;
    Real* bar = bar_.begin() + size_[0] + n_nodes_ - 1;
    const Real* slope = slope_.begin() + size_[0] + n_nodes_ - 1;
    *bar = Real(1.0);
    for (int l = n_layers_; l >= 1; l--) {
      const int n_in = size_[l - 1], n_out = size_[l];
      w -= n_out * (n_in + 1);
      Real* below = bar - n_in;
      const Real* f = slope - n_in;
      for (int i = 0; i < n_in; i += 4) {
        const int n = n_in - i < 4 ? n_in - i : 4;
        Real sum[4] = {Real(0.0), Real(0.0), Real(0.0), Real(0.0)};
        for (int o = 0; o < n_out; o++)
          for (int k = 0; k < 4; k++) sum[k] += Real(w[o * n_in + (k < n ? i + k : i)]) * bar[o];
        for (int k = 0; k < n; k++) below[i + k] = l > 1 ? sum[k] * f[i + k] : sum[k];
      }
      bar = below;
      slope = f;
    }
  }

  int activation_, n_layers_, n_parameters_, n_nodes_;
  int size_[max_layers + 1];
  double gamma_;
  Buffer<double> w_;
  Buffer<Real> x_, slope_, bar_;  // by node, the features first
};

template <class Real>
std::unique_ptr<Regressor<Real>> make_neural_network(Block& block, int n_species, int n_features) {
  return std::unique_ptr<Regressor<Real>>(new NeuralNetwork<Real>(block, n_species, n_features));
}

template std::unique_ptr<Regressor<Pack<MLPOT_WIDTH>>> make_neural_network(Block&, int, int);
template std::unique_ptr<Regressor<Scalar>> make_neural_network(Block&, int, int);
template std::unique_ptr<Regressor<Dual<Pack<MLPOT_WIDTH>>>> make_neural_network(Block&, int, int);
template std::unique_ptr<Regressor<Dual<Scalar>>> make_neural_network(Block&, int, int);

MLPOT_END_KERNELS
