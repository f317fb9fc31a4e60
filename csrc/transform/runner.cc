#include "transform/runner.h"

#include <stdexcept>

#include "columns/arena.h"
#include "columns/values.h"

namespace penstock {
namespace {

size_t size_of(Element element) {
  return element == Element::kFloat || element == Element::kInt32 ? sizeof(int32_t) : sizeof(int64_t);
}

}  // namespace

bool TransformRunner::run(const std::vector<BatchInput>& inputs, int64_t rows, BufferPool* pool,
                          RunOutputs* outputs) const {
  if (inputs.size() != layouts_.size() || rows < 1) return false;
  Arena texts;
  static thread_local std::vector<ColumnView> columns;
  columns.assign(inputs.size(), ColumnView());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const BatchInput& input = inputs[i];
    ColumnView& column = columns[i];
    const auto size = static_cast<int64_t>(input.size_bytes);
    if (layouts_[i] == Layout::kTextRefs) {
      if (view_prefixed(input.buffer.data(), size, rows, &texts, &column) != rows) return false;
      continue;
    }
    column.layout = layouts_[i];
    column.length = rows;
    column.values = input.buffer.data();
    column.stride = size / rows;
  }
  std::vector<BatchInput> features(fills_.size());
  std::vector<OutputView> views(outputs_.size());
  for (size_t i = 0; i < outputs_.size(); ++i) {
    BatchInput& filled = features[fills_[i]];
    const size_t row_bytes = static_cast<size_t>(outputs_[i].width) * size_of(outputs_[i].element);
    filled.size_bytes = static_cast<size_t>(rows) * row_bytes;
    filled.buffer = pool->take(filled.size_bytes);
    filled.shape = {rows, outputs_[i].width};
    views[i].data = filled.buffer.data();
    views[i].row_bytes = static_cast<int64_t>(row_bytes);
  }
  RefusedValue refused;
  try {
    if (!program_->run(columns.data(), rows, views.data(), 1, &refused)) return false;
  } catch (const std::invalid_argument&) {
    return false;
  }
  return model_->run(features, rows, pool, outputs);
}

}  // namespace penstock
