// Block: one object of a model file, read strictly. A missing or unknown key, a wrong type, a value
// out of its range or a wrong length is an error that names the file and the place, and says what
// would be right. It keeps nlohmann/json out of the kernel files.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace mlpot {

struct ModelError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Block {
 public:
  enum class Missing { is_error, takes_default };

  // text: JSON of one object; where: the file; path: the keys that lead to the object, each with a
  // dot behind it. Messages read "Mo.json: descriptor.r_cut: ...".
  Block(const std::string& text, const std::string& where, Missing missing = Missing::is_error,
        const std::string& path = "");
  Block(Block&&) noexcept;
  ~Block();

  // For each: the key, the default, the least and the greatest value allowed (both included).
  bool flag(const char* key, bool otherwise);
  int integer(const char* key, int otherwise, int least, int greatest);
  double number(const char* key, double otherwise, double least, double greatest);
  double number(const char* key, double least, double greatest);  // has no default

  // values: [n], each the default where the key is missing.
  void numbers(const char* key, int n, double otherwise, double least, double greatest,
               double* values);
  int rows(const char* key);  // of a list, which is empty by default
  // values: [rows][columns], finite; zeros by default.
  void table(const char* key, int rows, int columns, double* values);

  // Which of the known words the key holds; has no default.
  template <int n>
  int choice(const char* key, const char* const (&known)[n]) {
    return choice(key, known, n);
  }
  int choice(const char* key, const char* const* known, int n);

  std::string text(const char* key);
  std::vector<std::string> words(const char* key);
  bool is_null(const char* key);
  Block child(const char* key);
  void pass_over(const char* key);  // known, and not ours to check

  [[noreturn]] void refuse(const char* key, const std::string& why) const;
  void finish() const;           // refuses keys that nobody asked for
  std::string complete() const;  // the object with every default written out

 private:
  struct Json;
  std::unique_ptr<Json> json_;
};

}  // namespace mlpot
