#include "transform/program.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "transform/compile.h"

namespace penstock {

struct Program::Compiled : CompiledProgram {
  explicit Compiled(CompiledProgram program) : CompiledProgram(std::move(program)), unknown(steps.size()) {}
  mutable std::vector<std::atomic<uint64_t>> unknown;
  mutable std::atomic<uint64_t> rows{0};
};

namespace {

// Rows that a thread takes at a time; what fewer rows gain is less than what a thread costs.
constexpr int64_t kPieceRows = 4096;

constexpr size_t kAlignment = 64;

// What one thread keeps between runs, so that a run allocates nothing.
class Scratch {
 public:
  std::byte* registers(size_t bytes) {
    if (bytes > size_) {
      memory_.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{kAlignment})));
      size_ = bytes;
    }
    return memory_.get();
  }
  uint64_t* unknown(size_t count) {
    unknown_.assign(count, 0);
    return unknown_.data();
  }
  const double** pointers(size_t count) {
    if (count > pointers_.size()) pointers_.resize(count);
    return pointers_.data();
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t size_ = 0;
  std::vector<uint64_t> unknown_;
  std::vector<const double*> pointers_;
};

thread_local Scratch scratch;
thread_local std::vector<std::vector<int32_t>> remaps_of_thread;

// One call of run(): what its threads share.
class Run {
 public:
  Run(const CompiledProgram& program, std::vector<std::atomic<uint64_t>>* unknown, const ColumnView* columns,
      int64_t rows, const OutputView* outputs, const std::vector<int32_t>* remaps)
      : program_(program),
        unknown_(unknown),
        columns_(columns),
        rows_(rows),
        outputs_(outputs),
        remaps_(remaps) {}

  // Takes pieces until there are none, or none below the lowest refusal. Allocates before it takes one.
  void work() {
    const int64_t capacity = std::min(kBlockRows, (rows_ + 15) / 16 * 16);
    Block block;
    block.columns = columns_;
    block.outputs = outputs_;
    block.capacity = capacity;
    block.registers = scratch.registers(static_cast<size_t>(program_.register_bytes * capacity));
    block.remaps = remaps_;
    block.unknown = scratch.unknown(program_.steps.size());
    block.pointers = scratch.pointers(program_.most_src);
    for (;;) {
      const int64_t begin = next_.fetch_add(kPieceRows, std::memory_order_relaxed);
      if (begin >= rows_ || begin > refused_row_.load(std::memory_order_relaxed)) break;
      run_piece(begin, std::min(begin + kPieceRows, rows_), &block);
      if (block.refusal.row >= 0) {
        note(block.refusal);
        break;
      }
    }
    for (size_t i = 0; i < program_.steps.size(); ++i) {
      if (block.unknown[i] != 0) (*unknown_)[i].fetch_add(block.unknown[i], std::memory_order_relaxed);
    }
  }

  const RefusedValue& refusal() const { return refusal_; }

 private:
  void run_piece(int64_t begin, int64_t end, Block* block) const {
    for (int64_t first = begin; first < end && block->refusal.row < 0; first += block->capacity) {
      block->first = first;
      block->rows = std::min(block->capacity, end - first);
      for (const ClearRange& clear : program_.clears) {
        const OutputView& output = outputs_[clear.output];
        if (!output.zeroed) clear_columns(output, first, block->rows, clear.first_byte, clear.bytes);
      }
      for (const ColumnRead& read : program_.reads) {
        prefetch_column(columns_[read.column], first + block->capacity, block->capacity);
      }
      for (const Step& step : program_.steps) step.kernel(step, block);
    }
  }

  // Pieces are handed out in their order, so the lowest refusal's is always run.
  void note(const RefusedValue& refusal) {
    std::lock_guard<std::mutex> guard(mutex_);
    if (refusal_.row >= 0 && refusal_.row < refusal.row) return;
    refusal_ = refusal;
    refused_row_.store(refusal.row, std::memory_order_relaxed);
  }

  const CompiledProgram& program_;
  std::vector<std::atomic<uint64_t>>* const unknown_;
  const ColumnView* const columns_;
  const int64_t rows_;
  const OutputView* const outputs_;
  const std::vector<int32_t>* const remaps_;
  std::atomic<int64_t> next_{0};
  std::atomic<int64_t> refused_row_{std::numeric_limits<int64_t>::max()};
  std::mutex mutex_;
  RefusedValue refusal_;
};

// Maps whole dictionaries where that is less work than row by row. Null when there are none.
const std::vector<int32_t>* make_remaps(const CompiledProgram& program, const ColumnView* columns,
                                        int64_t rows) {
  std::vector<std::vector<int32_t>>& remaps = remaps_of_thread;
  if (remaps.size() < program.steps.size()) remaps.resize(program.steps.size());
  for (const ColumnRead& read : program.reads) {
    const ColumnView& column = columns[read.column];
    if (holds_text(column) != read.text) {
      throw std::invalid_argument("instruction " + std::to_string(read.instruction) + " (" +
                                  (read.remapped != nullptr ? "lookup" : "load") + "): column " +
                                  std::to_string(read.column) + " holds " +
                                  (read.text ? "numbers, expected text" : "text, expected numbers"));
    }
    if (read.remapped == nullptr) continue;
    std::vector<int32_t>& remap = remaps[static_cast<size_t>(read.instruction)];
    remap.clear();
    if (column.layout == Layout::kDictionary && column.dictionary->length <= rows) {
      remap_dictionary(*column.dictionary, *read.remapped, &remap);
    }
  }
  return remaps.data();
}

}  // namespace

Program::Program(std::vector<Kind> registers, std::vector<Instruction> instructions,
                 std::vector<Table> tables, std::vector<std::string> texts, int32_t column_count,
                 std::vector<OutputSpec> outputs)
    : compiled_(std::make_unique<Compiled>(compile_program(registers, instructions, std::move(tables),
                                                           std::move(texts), column_count, outputs))) {}

Program::~Program() = default;

bool Program::run(const ColumnView* columns, int64_t rows, const OutputView* outputs, int threads,
                  RefusedValue* refusal) const {
  if (rows <= 0) return true;
  const std::vector<int32_t>* remaps = make_remaps(*compiled_, columns, rows);
  Run run(*compiled_, &compiled_->unknown, columns, rows, outputs, remaps);
  const int64_t pieces = (rows + kPieceRows - 1) / kPieceRows;
  std::vector<std::thread> helpers;
  helpers.reserve(static_cast<size_t>(std::min<int64_t>(std::max(threads, 1), pieces) - 1));
  for (int64_t i = 1; i < std::min<int64_t>(threads, pieces); ++i) {
    try {
      helpers.emplace_back([&run] {
        try {
          run.work();
        } catch (const std::bad_alloc&) {  // the others do its pieces
        }
      });
    } catch (const std::system_error&) {
      break;  // no more threads to be had: fewer do the same
    }
  }
  run.work();
  for (std::thread& helper : helpers) helper.join();
  if (run.refusal().row < 0) {
    compiled_->rows.fetch_add(static_cast<uint64_t>(rows), std::memory_order_relaxed);
    return true;
  }
  *refusal = run.refusal();
  return false;
}

uint64_t Program::rows() const { return compiled_->rows.load(std::memory_order_relaxed); }

std::vector<uint64_t> Program::unknown_counts() const {
  return {compiled_->unknown.begin(), compiled_->unknown.end()};
}

}  // namespace penstock
