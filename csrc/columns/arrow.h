// From an Arrow array to a view of it: no copy, no walk over the values but over dictionary codes.
#ifndef PENSTOCK_COLUMNS_ARROW_H_
#define PENSTOCK_COLUMNS_ARROW_H_

#include <cstdint>
#include <string>

#include "columns/arena.h"
#include "columns/arrow_abi.h"
#include "transform/column.h"

namespace penstock {

// What a column holds, apart from how it lies. In the order of TYPES in spec.py after "number"; kNull: every
// value is missing.
enum class ColumnType : uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat32,  // half precision too
  kFloat64,
  kString,
  kDate32,
  kSeconds,
  kMilliseconds,
  kMicroseconds,
  kNanoseconds,
  kNull,
};

enum class ArrowProblem : uint8_t {
  kNone,
  kType,     // no transform reads such a column
  kLength,   // fewer values than the batch has rows
  kBuffers,  // not the buffers that the format asks for
  kCode,     // a dictionary code points outside the dictionary
};

// The type of a column, false where none fits. A time zone is left out of account: instants are UTC.
bool type_of(const ArrowSchema& schema, ColumnType* type);

// What people call the type of a column that type_of does not know.
std::string type_name(const ArrowSchema& schema);

// Views `length` values of the array from `offset` on, counted from the array's own offset. `schema` and
// `array` belong together and are trusted as far as the C data interface asks a consumer to trust them.
// `row` is the row of a bad code.
ArrowProblem view_array(const ArrowSchema& schema, const ArrowArray& array, int64_t offset, int64_t length,
                        Arena* arena, ColumnView* view, int64_t* row);

}  // namespace penstock

#endif  // PENSTOCK_COLUMNS_ARROW_H_
