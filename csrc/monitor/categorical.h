// What is counted of one column of texts.
#ifndef PENSTOCK_MONITOR_CATEGORICAL_H_
#define PENSTOCK_MONITOR_CATEGORICAL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/frequent.h"
#include "transform/column.h"
#include "transform/lookup.h"

namespace penstock {

struct CategoricalCounts {
  int64_t missing = 0;
  int64_t unseen = 0;
  std::vector<int64_t> counts;     // of each category
  Frequent top;                    // of the unseen
  std::vector<uint8_t> registers;  // of the unseen; kRegisterBytes
};

// Memory is bounded by the categories, whatever comes. One thread at a time.
class Categorical {
 public:
  // Throws std::invalid_argument where categories repeat.
  explicit Categorical(std::vector<std::string> categories);

  // All rows of a column of text, or of codes into one.
  void add(const ColumnView& column, int64_t rows);

  const CategoricalCounts& counts() const { return counts_; }
  void reset();

 private:
  // Texts of which a null data() is missing; each counts as often as `weights` says, or once.
  void add_texts(const std::string_view* texts, int64_t n, const int64_t* weights);
  void add_dictionary(const ColumnView& column, int64_t rows);

  Lookup lookup_;
  CategoricalCounts counts_;
  std::vector<int64_t> of_code_;  // how often each code of a dictionary came
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_CATEGORICAL_H_
