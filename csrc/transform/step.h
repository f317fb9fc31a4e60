// What a program's instructions become: a kernel each, over the registers of one block of rows.
//
// The files of this folder each own some instructions and give out their kernels (`..._kernel`); program.cc
// checks the instructions, chooses the kernels once and runs them block after block.
#ifndef PENSTOCK_TRANSFORM_STEP_H_
#define PENSTOCK_TRANSFORM_STEP_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "transform/program.h"

namespace penstock {

// Rows of a block. Registers of a few dozen instructions stay in the second cache, one in the first.
constexpr int64_t kBlockRows = 128;

// The types of register values; a code is told from other integers by its width.
template <Kind K>
struct ValueOf;
template <>
struct ValueOf<Kind::kFloat> {
  using Type = float;
};
template <>
struct ValueOf<Kind::kDouble> {
  using Type = double;
};
template <>
struct ValueOf<Kind::kInt> {
  using Type = int64_t;
};
template <>
struct ValueOf<Kind::kText> {
  using Type = std::string_view;
};
template <>
struct ValueOf<Kind::kCode> {
  using Type = int32_t;
};

template <typename T>
inline T missing_value() {
  if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::quiet_NaN();
  if constexpr (std::is_same_v<T, int64_t>) return std::numeric_limits<int64_t>::min();
  if constexpr (std::is_same_v<T, int32_t>) return kNoCode;
  if constexpr (std::is_same_v<T, std::string_view>) return {};
}

template <typename T>
inline bool is_missing(const T& x) {
  if constexpr (std::is_floating_point_v<T>) return x != x;
  if constexpr (std::is_same_v<T, int64_t>) return x == std::numeric_limits<int64_t>::min();
  if constexpr (std::is_same_v<T, int32_t>) return x < 0;
  if constexpr (std::is_same_v<T, std::string_view>) return x.data() == nullptr;
}

// Between kinds of numbers; what is missing, or does not fit an integer, becomes the other kind's missing.
// Towards zero, as C does.
template <typename To, typename From>
inline To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_floating_point_v<To> && std::is_floating_point_v<From>) {
    return static_cast<To>(x);
  } else if constexpr (std::is_floating_point_v<To>) {
    return is_missing(x) ? missing_value<To>() : static_cast<To>(x);
  } else if constexpr (std::is_floating_point_v<From>) {
    constexpr double kEnd = std::is_same_v<To, int32_t> ? 0x1p31 : 0x1p63;
    const auto wide = static_cast<double>(x);
    const double low = std::is_same_v<To, int32_t> ? -1 : -kEnd;
    return wide > low && wide < kEnd ? static_cast<To>(wide) : missing_value<To>();
  } else if constexpr (std::is_same_v<To, int64_t>) {
    return is_missing(x) ? missing_value<To>() : static_cast<To>(x);
  } else {
    return x >= 0 && x <= std::numeric_limits<int32_t>::max() ? static_cast<To>(x) : missing_value<To>();
  }
}

class Lookup;
struct Step;

// One block of rows on its way through a program. Each thread has its own.
struct Block {
  const ColumnView* columns = nullptr;
  const OutputView* outputs = nullptr;
  int64_t first = 0;     // row of the batch
  int64_t rows = 0;      // at least 1, at most `capacity`
  int64_t capacity = 0;  // a multiple of 16
  std::byte* registers = nullptr;
  const double** pointers = nullptr;  // room for one to each register that an instruction reads

  // By instruction: the codes of a dictionary's values, or null where it is read row by row.
  const std::vector<int32_t>* remaps = nullptr;
  uint64_t* unknown = nullptr;  // by instruction

  RefusedValue refusal;  // the lowest so far; row -1 when there is none

  template <typename T>
  T* at(int64_t offset) const {
    return reinterpret_cast<T*>(registers + offset * capacity);
  }
  void refuse(int64_t row, int32_t instruction) {
    if (refusal.row < 0 || row < refusal.row) refusal = {row, instruction};
  }
};

using Kernel = void (*)(const Step& step, Block* block);

// An instruction, checked. Registers are given by the bytes that those before take for each row.
struct Step {
  Kernel kernel = nullptr;
  int32_t index = 0;
  bool wide = false;
  int64_t dst = 0;
  std::vector<int64_t> dsts;  // of instructions with several
  std::vector<int64_t> src;
  std::vector<Kind> src_kinds;
  std::vector<double> numbers;
  std::vector<int64_t> integers;
  const Lookup* lookup = nullptr;
  std::string_view text;   // of the constants
  std::string_view equal;  // kFillText: null data() for none
  Element element = Element::kFloat;
};

// Kernels by instruction; null where there is none for the kinds.
Kernel load_kernel(Op op, Kind dst);
Kernel find_kernel(Op op, Kind src);
Kernel elementwise_kernel(const Instruction& instruction, Kind dst, Kind src);
Kernel function_kernel(const Instruction& instruction, Kind dst, Kind src);
Kernel code_kernel(Op op, Kind dst, Kind src);
Kernel quantile_kernel(Kind dst, bool normal);
Kernel date_kernel(const Instruction& instruction, Kind dst);
Kernel rows_kernel(const Instruction& instruction, Kind dst, Kind src);
Kernel hash_kernel(Op op, Kind dst);
Kernel store_kernel(Op op, Element element);

// Whether the values of a column are text, through its dictionary.
bool holds_text(const ColumnView& column);

// Asks for the memory of values [first, first + n) of a column, ahead of their use. Any range: what lies
// outside the column is left out.
void prefetch_column(const ColumnView& column, int64_t first, int64_t n);

// Codes of all values of a text or number dictionary; Lookup::kUnknown where there is none.
void remap_dictionary(const ColumnView& dictionary, const Lookup& lookup, std::vector<int32_t>* codes);

// Makes bytes [first_byte, first_byte + bytes) of each of the rows zero.
void clear_columns(const OutputView& output, int64_t first_row, int64_t rows, int64_t first_byte,
                   int64_t bytes);

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_STEP_H_
