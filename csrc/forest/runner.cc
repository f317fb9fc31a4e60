#include "forest/runner.h"

namespace penstock {

bool ForestRunner::run(const std::vector<BatchInput>& inputs, int64_t rows, BufferPool* pool,
                       RunOutputs* outputs) const {
  if (inputs.size() != 1 || inputs[0].shape.size() != 2 || inputs[0].shape[1] < forest_->columns())
    return false;
  const size_t score_bytes = static_cast<size_t>(forest_->width()) * sizeof(float);
  BufferPool::Buffer scores = pool->take(static_cast<size_t>(rows) * score_bytes);
  BufferPool::Buffer labels;
  int64_t* label_data = nullptr;
  if (forest_->has_labels()) {
    labels = pool->take(static_cast<size_t>(rows) * sizeof(int64_t));
    label_data = reinterpret_cast<int64_t*>(labels.data());
  }
  forest_->run(reinterpret_cast<const float*>(inputs[0].buffer.data()), rows, inputs[0].shape[1],
               reinterpret_cast<float*>(scores.data()), label_data);
  for (const bool label : labels_) {
    OutputColumn column;
    column.data = label ? labels.data() : scores.data();
    column.row_bytes = label ? sizeof(int64_t) : score_bytes;
    column.size_bytes = static_cast<size_t>(rows) * column.row_bytes;
    column.shape.push_back(rows);
    if (!label) column.shape.push_back(forest_->width());
    outputs->columns.push_back(std::move(column));
  }
  outputs->buffers.push_back(std::move(scores));
  outputs->buffers.push_back(std::move(labels));
  return true;
}

}  // namespace penstock
