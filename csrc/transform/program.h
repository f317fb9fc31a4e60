// A transform, compiled: columns in, matrices out, no Python and no copy of the table in between.
//
// A program is a list of instructions over registers. A register holds one value of each row of a block of
// rows, contiguously; a block is small enough that all registers stay in cache. Every instruction computes a
// row from that row alone, with the same operations in the same order whatever the number of rows: one row
// gives the same bits as a million.
#ifndef PENSTOCK_TRANSFORM_PROGRAM_H_
#define PENSTOCK_TRANSFORM_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transform/column.h"

namespace penstock {

// What a register holds. Missing is NaN in kFloat and kDouble, INT64_MIN in kInt, a null data() in kText.
// kCode holds small integers (int32_t) that a lookup, a bin or a hash gave; kNoCode is "none of them".
enum class Kind : uint8_t { kFloat, kDouble, kInt, kText, kCode };

constexpr int32_t kNoCode = -1;

// T is the kind of `dst`. "Wide" arithmetic computes in double and rounds the result to T once; otherwise
// numbers are rounded to T first. Parameters stand in `numbers` and `integers`, in the order written here.
enum class Op : uint8_t {
  // Into registers.
  kLoad,      // dst <- column integers[0], converted to T (kFloat, kDouble, kInt, kText); missing as above.
              // kText: values in table `table` (if >= 0) count as missing
  kLookup,    // dst (kCode) <- column integers[0] through table `table`; dictionaries are remapped once a run
  kConstant,  // dst <- numbers[0]; kText: text integers[0] of the constants
  kCast,      // dst <- src[0], between kFloat, kDouble, kInt, kCode (kNoCode -> NaN; NaN and what does not
              // fit -> missing); towards zero
  kFindText,  // dst (kCode) <- src[0] (kText) through table
  kFindNumber,  // dst (kCode) <- src[0] (kFloat, kDouble) through table

  // Element by element, dst <- src[0]; dst may be src[0].
  kAdd,          // x + numbers[0]
  kSubtract,     // x - numbers[0]
  kMultiply,     // x * numbers[0]
  kDivide,       // x / numbers[0]
  kFillMissing,  // numbers[0] where x is NaN
  kFillEqual,    // numbers[1] where x == numbers[0] (or NaN and numbers[0] is NaN)
  kFillText,     // kText: text integers[0] of the constants where missing; with integers[1] >= 0 where
                 // equal to that text instead, and what is missing stays so
  kIsMissing,    // 1 where missing else 0; src kFloat, kDouble, kInt, kText
  kIsEqual,      // 1 where x == numbers[0] (text: text integers[0] of the constants) else 0
  kClip,         // below numbers[0] -> numbers[0], above numbers[1] -> numbers[1]; NaN stays
  kUnary,        // function integers[0], see Unary
  kBoxCox,       // scipy.special.boxcox(x, numbers[0])
  kYeoJohnson,   // scipy.stats.yeojohnson(x, numbers[0]); wide: lambda is a float64 whatever T is
  kQuantile,     // numpy.interp both ways as scikit-learn's QuantileTransformer does; integers = {n, normal},
                 // numbers = n quantiles then n references
  kBin,          // dst (kCode) <- numpy.searchsorted(numbers, x, side="right"); NaN -> kNoCode.
                 // Comparison in double
  kGather,       // dst <- numbers[code]; kNoCode, and codes beyond, -> NaN
  kEqualsCode,   // 1 where code src[0] == integers[0] else 0
  kCyclicSin,    // sin(2 pi (x - numbers[1]) / numbers[0])
  kCyclicCos,
  kDatePart,  // dst <- part integers[0] of src[0] (kInt), unit integers[1]; see DatePart, TimeUnit.
              // Days that no int64_t of seconds reaches -> missing

  // Several registers, row by row.
  kMultiplyBy,  // dst <- src[0] * src[1]
  kNormalize,   // dst.. (src.size() registers from dst) <- src / norm; integers[0]: 1 l1, 2 l2, 0 max.
                // A norm below 10 epsilon of T divides by 1, as in scikit-learn
  kProject,     // dst.. (integers[0] registers) <- sum_j numbers[i * k + j] * src[j], in double, j ascending,
                // minus numbers[m * k + i] and divided by numbers[m * k + m + i]
  kHash,        // dst (kCode) <- bucket of src (kText, kInt, kDouble, kFloat, one or more: crossed);
                // integers = {buckets, seed}. Function: see hash.h. A missing value hashes as missing
  kHashSign,    // dst <- +1 or -1, from the same hash
  kExpression,  // dst (kDouble) <- function at address integers[0] over src (all kDouble): see Expression

  // Out of registers: output integers[0], first column integers[1].
  kStore,        // every src into successive columns, converted to the type of the output; integers: towards
                 // zero, and the lowest integer for what does not fit (kNoCode stays -1)
  kStoreOneHot,  // column integers[1] + code <- numbers[0], the others of integers[2] columns numbers[1] (0
                 // usually); kNoCode sets none
};

enum class Unary : uint8_t {
  kLog,
  kLog1p,
  kLog2,
  kLog10,
  kExp,
  kExpm1,
  kSqrt,
  kCbrt,
  kAbs,
  kSign,
  kSquare,
  kReciprocal,
  kNegative,
  kFloor,
  kCeil,
  kRint,
  kSin,
  kCos,
  kTan,
  kArcsin,
  kArccos,
  kArctan,
  kSinh,
  kCosh,
  kTanh,
  kArcsinh,
  kArccosh,
  kArctanh,
  kDegToRad,
  kRadToDeg,
  kIdentity,
};

enum class DatePart : uint8_t {
  kYear,
  kQuarter,
  kMonth,
  kDay,
  kDayOfWeek /* Monday 0 */,
  kDayOfYear,
  kWeek /* ISO 8601 */,
  kHour,
  kMinute,
  kSecond,
  kIsWeekend,
  kEpochSeconds,
  kEpochDays,
};

enum class TimeUnit : uint8_t { kDays, kSeconds, kMilliseconds, kMicroseconds, kNanoseconds };

// Compiled by Numba: out[i] from columns[j][i], i < n.
using Expression = void (*)(const double* const* columns, double* out, int64_t n);

// What a lookup gives for a category that is not in its table, beside codes.
constexpr int32_t kRefuse = -2;

// Categories and the code of each. Text or numbers, never both; numbers compare by value, in double: -0 is 0.
struct Table {
  bool text = true;
  std::vector<std::string> texts;
  std::vector<double> numbers;
  std::vector<int32_t> codes;  // of each category: 0.., or kNoCode
  int32_t missing = kRefuse;   // of a missing value: a code, kNoCode or kRefuse
  int32_t unknown = kRefuse;   // of any other value
};

struct Instruction {
  Op op = Op::kLoad;
  bool wide = false;
  int32_t dst = -1;
  std::vector<int32_t> src;
  std::vector<double> numbers;
  std::vector<int64_t> integers;
  int32_t table = -1;
};

enum class Element : uint8_t { kFloat, kDouble, kInt32, kInt64 };

struct OutputSpec {
  Element element = Element::kFloat;
  int64_t width = 0;
};

// Where one output goes: row-major, `row_bytes` from one row to the next.
struct OutputView {
  void* data = nullptr;
  int64_t row_bytes = 0;
  bool zeroed = false;  // the memory is zero already: zeros need not be written
};

// A value that a lookup refused: of all there are, the one in the lowest row, then the lowest instruction.
struct RefusedValue {
  int64_t row = -1;
  int32_t instruction = -1;
};

// Immutable once made; any number of threads may run it at once.
class Program {
 public:
  // Throws std::invalid_argument, naming the instruction, where a register, kind, table, column, output or
  // parameter count is not what the instruction needs, and where a column of an output is stored never or
  // twice.
  Program(std::vector<Kind> registers, std::vector<Instruction> instructions, std::vector<Table> tables,
          std::vector<std::string> texts, int32_t column_count, std::vector<OutputSpec> outputs);
  ~Program();

  // Transforms rows [0, rows) of all columns. `columns` has column_count views of at least `rows` values;
  // `outputs` one view for each output. Uses up to `threads` threads, the caller's among them, no more than
  // there are large pieces of work. Returns false on a refusal; outputs are unspecified then. Throws
  // std::invalid_argument, before anything is written, where a column holds text and the program reads
  // numbers from it, or the other way round.
  bool run(const ColumnView* columns, int64_t rows, const OutputView* outputs, int threads,
           RefusedValue* refusal) const;

  // Values that each instruction found unknown and did not refuse, since the program was made. Cheap; any
  // thread.
  std::vector<uint64_t> unknown_counts() const;

  // Rows that were transformed, and not refused, since the program was made. Any thread.
  uint64_t rows() const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_PROGRAM_H_
