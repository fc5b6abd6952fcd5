// SHA-256 (FIPS 180-4).
#pragma once

#include <string>

namespace mlpot {

std::string sha256(const std::string& bytes);  // 64 hexadecimal digits

}  // namespace mlpot
