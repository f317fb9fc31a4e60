// The values of a view, one at a time or all: what binding checks and converts, and what error messages show.
#ifndef PENSTOCK_COLUMNS_VALUES_H_
#define PENSTOCK_COLUMNS_VALUES_H_

#include <cstdint>
#include <string_view>

#include "columns/arena.h"
#include "columns/arrow.h"
#include "transform/column.h"

namespace penstock {

// Makes a view of `length` missing values: of text, or of numbers.
void view_missing(ColumnType type, int64_t length, Arena* arena, ColumnView* view);

bool is_missing(const ColumnView& view, int64_t row);

// The text of a row, whatever the layout; for views of text, rows that are not missing.
std::string_view text_at(const ColumnView& view, int64_t row);

// The number of a row; for views of numbers, rows that are not missing.
double number_at(const ColumnView& view, int64_t row);
int64_t integer_at(const ColumnView& view, int64_t row);

// The first row whose code is there and is not in [0, count), or -1. For integer layouts.
int64_t first_code_outside(const ColumnView& view, int64_t count);

// The first row whose 64-bit integer no double is equal to, or -1.
int64_t first_inexact(const ColumnView& view);

// Replaces a view of integers by one of 64-bit integers `factor` times as large, in the arena. The smallest
// integer stays: it is "not a time". Returns the first row that does not fit, or -1.
int64_t scale_times(int64_t factor, Arena* arena, ColumnView* view);

// Splits length-prefixed texts (uint32 little-endian, then the bytes; as the wire lays BYTES tensors) that
// lie end to end. Returns how many there are, up to `length`, and -1 where a text reaches past the end or
// bytes are left over. The view points into `data`.
int64_t view_prefixed(const void* data, int64_t size_bytes, int64_t length, Arena* arena, ColumnView* view);

}  // namespace penstock

#endif  // PENSTOCK_COLUMNS_VALUES_H_
