// Potential: a model file, read strictly, ready to run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.hpp"

namespace mlpot {

class Potential {
 public:
  // text: the content of a model file (docs/model_format.md); where: its name, for messages;
  // kernels: which instruction set. Throws ModelError.
  Potential(const std::string& text, const std::string& where, const std::string& kernels = "auto",
            bool for_training = false);

  const std::vector<std::string>& elements() const { return elements_; }
  const std::string& name() const { return name_; }
  const std::string& kernels() const { return kernels_; }
  double r_cut() const;  // the largest, Å
  Engine& engine() { return *engine_; }
  const Engine& engine() const { return *engine_; }

 private:
  std::string name_, kernels_;
  std::vector<std::string> elements_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace mlpot
