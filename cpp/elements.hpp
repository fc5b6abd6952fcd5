// Chemical elements.
#pragma once

#include <string>

namespace mlpot {

int atomic_number(const std::string& symbol);  // 0: no such element

}  // namespace mlpot
