#include "block.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

namespace mlpot {

using nlohmann::ordered_json;

struct Block::Json {
  ordered_json value;
  std::string where,
      path;  // the file; the keys that lead to this object, each with a dot behind it
  Missing missing;
  std::vector<std::string> asked;
};

namespace {

std::string show(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", x);
  return text;
}

std::string show(const ordered_json& value) {
  std::string text = value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  return text.size() > 40 ? text.substr(0, 37) + "..." : text;
}

// Levenshtein distance.
int edits(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); j++) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); i++) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); j++) {
      const int above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  std::string best, all;
  int least = static_cast<int>(word.size()) / 2 + 1;
  for (const std::string& candidate : known) {
    const int n = edits(word, candidate);
    if (n < least) {
      least = n;
      best = candidate;
    }
    all += (all.empty() ? "" : ", ") + candidate;
  }
  return best.empty() ? "known: " + all : "did you mean \"" + best + "\"?";
}

// A key as it may stand in a message: one line, not too long.
std::string printable(const std::string& key) {
  const std::string quoted = show(ordered_json(key));
  return quoted == '"' + key + '"' ? key : quoted;
}

constexpr int deepest = 32;               // deeper, functions that call themselves run out of stack
constexpr std::size_t most_keys = 10000;  // more, and looking each one up takes too long

// Parses, and refuses an object that names a key twice (the second would silently win).
ordered_json parse(const std::string& text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  std::string twice;
  const auto watch = [&](int depth, ordered_json::parse_event_t event, ordered_json& parsed) {
    if (depth > deepest) throw ModelError(where + ": nested more than 32 levels deep");
    if (!keys.empty() && keys.back().size() > most_keys)
      throw ModelError(where + ": more than 10000 keys in one object");
    if (event == ordered_json::parse_event_t::object_start) keys.emplace_back();
    if (event == ordered_json::parse_event_t::object_end) keys.pop_back();
    if (event == ordered_json::parse_event_t::key &&
        !keys.back().insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return true;
  };
  try {
    const ordered_json value = ordered_json::parse(text, watch);
    if (!twice.empty())
      throw ModelError(where + ": the key " + show(ordered_json(twice)) + " is there twice");
    if (!value.is_object()) throw ModelError(where + ": expected a JSON object {...}");
    return value;
  } catch (const ordered_json::exception& e) {
    std::string what = e.what();  // may quote half a character
    for (char& c : what)
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    const std::size_t start = what.find("] ");
    throw ModelError(where + ": not valid JSON: " +
                     (start == std::string::npos ? what : what.substr(start + 2)));
  }
}

}  // namespace

Block::Block(const std::string& text, const std::string& where, Missing missing,
             const std::string& path)
    : json_(new Json{parse(text, where.empty() ? path : where), where, path, missing, {}}) {}
Block::Block(Block&&) noexcept = default;
Block::~Block() = default;

void Block::refuse(const char* key, const std::string& why) const {
  throw ModelError(json_->where + (json_->where.empty() ? "" : ": ") + json_->path + key + ": " +
                   why);
}

namespace {

// The value of a key, written out with its default where that is allowed.
template <class Json>
ordered_json& get(Json& json, const Block& block, const char* key, Block::Missing missing,
                  const ordered_json* otherwise) {
  if (std::find(json.asked.begin(), json.asked.end(), key) == json.asked.end())
    json.asked.push_back(key);
  if (!json.value.contains(key)) {
    if (missing == Block::Missing::is_error || !otherwise) {
      for (const auto& item : json.value.items())
        if (edits(item.key(), key) <= 2 &&
            std::find(json.asked.begin(), json.asked.end(), item.key()) == json.asked.end())
          block.refuse(key, "missing (there is a \"" + item.key() + "\")");
      block.refuse(key, "missing");
    }
    json.value[key] = *otherwise;
  }
  return json.value[key];
}

bool is_between(const ordered_json& value, double least, double greatest) {
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  return std::isfinite(number) && number >= least && number <= greatest;
}

double checked(const Block& block, const char* key, const std::string& place,
               const ordered_json& value, double least, double greatest) {
  if (!is_between(value, least, greatest))
    block.refuse(key, place + "expected a number from " + show(least) + " to " + show(greatest) +
                          ", got " + show(value));
  return value.get<double>();
}

}  // namespace

bool Block::flag(const char* key, bool otherwise) {
  const ordered_json fallback = otherwise;
  const ordered_json& value = get(*json_, *this, key, json_->missing, &fallback);
  if (!value.is_boolean()) refuse(key, "expected true or false, got " + show(value));
  return value.get<bool>();
}

int Block::integer(const char* key, int otherwise, int least, int greatest) {
  const ordered_json fallback = otherwise;
  const ordered_json& value = get(*json_, *this, key, json_->missing, &fallback);
  if (!value.is_number_integer() || value.get<double>() < least || value.get<double>() > greatest)
    refuse(key, "expected a whole number from " + std::to_string(least) + " to " +
                    std::to_string(greatest) + ", got " + show(value));
  return value.get<int>();
}

double Block::number(const char* key, double otherwise, double least, double greatest) {
  const ordered_json fallback = otherwise;
  return checked(*this, key, "", get(*json_, *this, key, json_->missing, &fallback), least,
                 greatest);
}

double Block::number(const char* key, double least, double greatest) {
  return checked(*this, key, "", get(*json_, *this, key, Missing::is_error, nullptr), least,
                 greatest);
}

void Block::numbers(const char* key, int n, double otherwise, double least, double greatest,
                    double* values) {
  const ordered_json fallback = std::vector<double>(n, otherwise);
  const ordered_json& list = get(*json_, *this, key, json_->missing, &fallback);
  if (!list.is_array() || list.size() != static_cast<std::size_t>(n))
    refuse(key, "expected a list of " + std::to_string(n) + " numbers, got " +
                    (list.is_array() ? std::to_string(list.size()) : show(list)));
  for (int k = 0; k < n; k++)
    values[k] = checked(*this, key, "[" + std::to_string(k) + "]: ", list[k], least, greatest);
}

int Block::rows(const char* key) {
  const ordered_json fallback = ordered_json::array();
  const ordered_json& list = get(*json_, *this, key, json_->missing, &fallback);
  if (!list.is_array() || list.size() > 1000000) refuse(key, "expected a list, got " + show(list));
  return static_cast<int>(list.size());
}

void Block::table(const char* key, int rows, int columns, double* values) {
  ordered_json fallback;  // made only where it is wanted: it may be large
  if (json_->missing == Missing::takes_default && !json_->value.contains(key))
    fallback = std::vector<std::vector<double>>(rows, std::vector<double>(columns, 0.0));
  const ordered_json& list = get(*json_, *this, key, json_->missing, &fallback);
  if (!list.is_array() || list.size() != static_cast<std::size_t>(rows))
    refuse(key, "expected " + std::to_string(rows) + " lists, one for each element");
  for (int r = 0; r < rows; r++) {
    const std::string row = "[" + std::to_string(r) + "]";
    if (!list[r].is_array() || list[r].size() != static_cast<std::size_t>(columns))
      refuse(key, row + ": expected a list of " + std::to_string(columns) + " numbers, got " +
                      (list[r].is_array() ? std::to_string(list[r].size()) : show(list[r])));
    for (int c = 0; c < columns; c++) {
      const ordered_json& value = list[r][c];
      values[r * columns + c] =
          is_between(value, -1e300, 1e300)  // else: making the place for each takes long
              ? value.get<double>()
              : checked(*this, key, row + "[" + std::to_string(c) + "]: ", value, -1e300, 1e300);
    }
  }
}

int Block::choice(const char* key, const char* const* known, int n) {
  const ordered_json& value = get(*json_, *this, key, Missing::is_error, nullptr);
  for (int k = 0; k < n; k++)
    if (value.is_string() && value.get<std::string>() == known[k]) return k;
  const std::string hint =
      suggestion(value.is_string() ? value.get<std::string>() : "", {known, known + n});
  refuse(key, "unknown: " + show(value) + "; " + hint);
}

std::string Block::text(const char* key) {
  const ordered_json& value = get(*json_, *this, key, Missing::is_error, nullptr);
  if (!value.is_string()) refuse(key, "expected text in quotes, got " + show(value));
  return value.get<std::string>();
}

std::vector<std::string> Block::words(const char* key) {
  const ordered_json& list = get(*json_, *this, key, Missing::is_error, nullptr);
  std::vector<std::string> found;
  const bool good = list.is_array() && std::all_of(list.begin(), list.end(), [](const auto& word) {
                      return word.is_string();
                    });
  if (!good) refuse(key, "expected a list of words in quotes, got " + show(list));
  for (const auto& word : list) found.push_back(word.get<std::string>());
  return found;
}

bool Block::is_null(const char* key) {
  const ordered_json fallback = nullptr;
  return get(*json_, *this, key, json_->missing, &fallback).is_null();
}

Block Block::child(const char* key) {
  const ordered_json& value = get(*json_, *this, key, Missing::is_error, nullptr);
  if (!value.is_object()) refuse(key, "expected an object {...}, got " + show(value));
  return Block(value.dump(), json_->where, json_->missing, json_->path + key + ".");
}

void Block::pass_over(const char* key) { get(*json_, *this, key, Missing::is_error, nullptr); }

void Block::finish() const {
  for (const auto& item : json_->value.items())
    if (std::find(json_->asked.begin(), json_->asked.end(), item.key()) == json_->asked.end())
      refuse(printable(item.key()).c_str(), "unknown key; " + suggestion(item.key(), json_->asked));
}

std::string Block::complete() const { return json_->value.dump(); }

}  // namespace mlpot
