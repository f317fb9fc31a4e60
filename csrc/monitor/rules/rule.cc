#include "monitor/rules/rule.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "columns/values.h"

namespace penstock {
namespace {

std::string_view text_or_nothing(const ColumnView& column, int64_t row) {
  return is_missing(column, row) ? std::string_view() : text_at(column, row);
}

double number_or_nan(const ColumnView& column, int64_t row) {
  return is_missing(column, row) ? std::numeric_limits<double>::quiet_NaN() : number_at(column, row);
}

double rounded(double value) {
  if (std::abs(value) > std::numeric_limits<float>::max()) return std::copysign(HUGE_VAL, value);
  return static_cast<float>(value);
}

}  // namespace

Rule::Rule(RuleSettings settings) : settings_(std::move(settings)) {
  limits_ = {settings_.min, settings_.max, settings_.numbers};
  single_ = {rounded(settings_.min), rounded(settings_.max), {}};
  for (const double number : settings_.numbers) single_.numbers.push_back(rounded(number));
  for (Limits* sorted : {&limits_, &single_}) std::sort(sorted->numbers.begin(), sorted->numbers.end());
  for (const std::string& text : settings_.texts) {
    texts_.insert(text);
    longest_ = std::max(longest_, text.size());
  }
}

bool Rule::single(const ColumnView& column) {
  const Layout layout = column.dictionary == nullptr ? column.layout : column.dictionary->layout;
  return layout == Layout::kFloat || layout == Layout::kHalf;
}

Rule::Broken Rule::broken(double value, const Limits& limits) const {
  if (std::isnan(value)) return {settings_.required};
  const bool below = value < limits.min;
  const bool above = value > limits.max;
  const auto& known = limits.numbers;
  const bool foreign = settings_.listed && !std::binary_search(known.begin(), known.end(), value);
  return {false, below, above, foreign, false};
}

Rule::Broken Rule::broken(std::string_view text) const {
  if (text.empty()) return {settings_.required};
  // A text of a megabyte is not hashed to learn that it is no category.
  const bool foreign = settings_.listed && (text.size() > longest_ || texts_.count(text) == 0);
  return {false, false, false, foreign, text.size() > settings_.max_length};
}

// Whether no value can break the rule, by one pass without a branch; false where that is not known.
template <typename T>
bool Rule::kept(const ColumnView& column, int64_t rows) const {
  const char* at = static_cast<const char*>(column.values);
  const double min = limits(column).min;
  const double max = limits(column).max;
  bool broken = false;
  for (int64_t row = 0; row < rows; ++row) {
    T read;
    std::memcpy(&read, at + row * column.stride, sizeof read);
    const auto value = static_cast<double>(read);
    broken |= (value < min) | (value > max) | (settings_.required & (value != value));
  }
  return !broken;
}

bool Rule::all_kept(const ColumnView& column, int64_t rows) const {
  if (settings_.text || settings_.listed || column.validity != nullptr) return false;
  switch (column.layout) {
    case Layout::kInt8:
      return kept<int8_t>(column, rows);
    case Layout::kInt16:
      return kept<int16_t>(column, rows);
    case Layout::kInt32:
      return kept<int32_t>(column, rows);
    case Layout::kInt64:
      return kept<int64_t>(column, rows);
    case Layout::kUint8:
      return kept<uint8_t>(column, rows);
    case Layout::kUint16:
      return kept<uint16_t>(column, rows);
    case Layout::kUint32:
      return kept<uint32_t>(column, rows);
    case Layout::kUint64:
      return kept<uint64_t>(column, rows);
    case Layout::kFloat:
      return kept<float>(column, rows);
    case Layout::kDouble:
      return kept<double>(column, rows);
    default:
      return false;
  }
}

Breaches Rule::check(const ColumnView& column, int64_t rows) const {
  Breaches found;
  if (all_kept(column, rows)) return found;
  const Limits& within = limits(column);
  for (int64_t row = 0; row < rows; ++row) {
    const Broken by =
        settings_.text ? broken(text_or_nothing(column, row)) : broken(number_or_nan(column, row), within);
    for (size_t i = 0; i < kBreachCount; ++i) {
      if (!by[i]) continue;
      ++found.counts[i];
      if (found.any()) continue;
      found.first_row = row;
      found.first = static_cast<Breach>(i);
    }
  }
  return found;
}

}  // namespace penstock
