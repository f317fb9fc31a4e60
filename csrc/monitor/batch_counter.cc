#include "monitor/batch_counter.h"

#include <exception>
#include <utility>

#include "columns/arena.h"
#include "columns/values.h"

namespace penstock {

void BatchCounter::count(std::shared_ptr<Accumulator> accumulator, std::vector<FeaturePlace> places,
                         int64_t full_rows) {
  auto counting = std::make_shared<Counting>();
  counting->accumulator = std::move(accumulator);
  counting->places = std::move(places);
  counting->full_rows = full_rows;
  const std::lock_guard<std::mutex> lock(mutex_);
  counting_ = std::move(counting);
}

int64_t BatchCounter::take_rows() { return rows_.exchange(0, std::memory_order_acq_rel); }

Observed BatchCounter::observe(const std::vector<BatchInput>& inputs,
                               const std::vector<OutputColumn>& outputs, int64_t rows) noexcept {
  if (hands_on_.load(std::memory_order_relaxed)) return Observed::kNotSeen;
  const std::shared_ptr<const Counting> counting = this->counting();
  if (counting == nullptr) return Observed::kSeen;
  try {
    static thread_local std::vector<ColumnView> views;
    Arena arena;
    views.resize(counting->places.size());
    for (size_t i = 0; i < views.size(); ++i) {
      const FeaturePlace& place = counting->places[i];
      const uint8_t* data = place.is_output ? outputs[place.tensor].data : inputs[place.tensor].buffer.data();
      ColumnView& view = views[i];
      view = ColumnView();
      if (place.layout == Layout::kTextRefs) {
        const auto size = static_cast<int64_t>(inputs[place.tensor].size_bytes);
        if (place.is_output || view_prefixed(data, size, rows, &arena, &view) != rows) {
          return Observed::kNotSeen;
        }
        continue;
      }
      view.layout = place.layout;
      view.length = rows;
      view.values = data + place.first_byte;
      view.stride = static_cast<int64_t>(place.row_bytes);
    }
    counting->accumulator->update(views.data(), rows);
  } catch (const std::exception&) {
    return Observed::kNotSeen;  // who looks next says what is wrong
  }
  const int64_t seen = rows_.fetch_add(rows, std::memory_order_acq_rel) + rows;
  return seen >= counting->full_rows && seen - rows < counting->full_rows ? Observed::kTell : Observed::kSeen;
}

}  // namespace penstock
