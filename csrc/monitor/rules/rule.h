// What the values of one column must be, as its owner says; and how often they are not.
#ifndef PENSTOCK_MONITOR_RULES_RULE_H_
#define PENSTOCK_MONITOR_RULES_RULE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "transform/column.h"

namespace penstock {

// Ways to break a rule, by the settings that forbid them.
enum class Breach : uint8_t { kRequired, kMin, kMax, kAllowed, kMaxLength };

inline constexpr size_t kBreachCount = 5;

struct RuleSettings {
  bool text = false;      // a column of texts, else of numbers
  bool required = false;  // no value is missing
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool listed = false;  // only the values of the list
  std::vector<double> numbers;
  std::vector<std::string> texts;
  size_t max_length = std::numeric_limits<size_t>::max();  // bytes of a text
};

struct Breaches {
  std::array<int64_t, kBreachCount> counts{};  // rows, by Breach; a row may break several
  int64_t first_row = -1;                      // of those that break any; -1 where none does
  Breach first = Breach::kRequired;            // what that row breaks

  bool any() const { return first_row >= 0; }
};

// Immutable once made: any thread may check.
class Rule {
 public:
  explicit Rule(RuleSettings settings);
  Rule(const Rule&) = delete;
  Rule& operator=(const Rule&) = delete;

  // Rows [0, rows) of a view of texts or of numbers, as the settings say. Missing are NaN, null and the empty
  // text; what is missing breaks nothing but kRequired. Limits are rounded to the precision of single floats
  // where the values are: 0.1f is within a maximum of 0.1.
  Breaches check(const ColumnView& column, int64_t rows) const;

 private:
  using Broken = std::array<bool, kBreachCount>;
  struct Limits {
    double min = 0;
    double max = 0;
    std::vector<double> numbers;  // sorted
  };

  static bool single(const ColumnView& column);
  const Limits& limits(const ColumnView& column) const { return single(column) ? single_ : limits_; }
  Broken broken(double value, const Limits& limits) const;
  Broken broken(std::string_view text) const;
  template <typename T>
  bool kept(const ColumnView& column, int64_t rows) const;
  bool all_kept(const ColumnView& column, int64_t rows) const;

  const RuleSettings settings_;
  Limits limits_;
  Limits single_;                               // rounded
  std::unordered_set<std::string_view> texts_;  // of settings_
  size_t longest_ = 0;                          // of texts_
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_RULES_RULE_H_
