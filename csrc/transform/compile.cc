#include "transform/compile.h"

#include <algorithm>
#include <stdexcept>

namespace penstock {
namespace {

constexpr int kMany = 1 << 30;

struct Count {
  int least;
  int most;
  bool holds(size_t n) const { return n >= static_cast<size_t>(least) && n <= static_cast<size_t>(most); }
};

// How many of each an instruction takes, in the order of Op.
struct Shape {
  const char* name;
  Count src;
  Count numbers;
  Count integers;
  enum { kNone, kMay, kMust } table = kNone;
};

constexpr Count kNo{0, 0}, kOne{1, 1}, kTwo{2, 2}, kThree{3, 3}, kAny{0, kMany}, kSome{1, kMany};

const Shape kShapes[] = {
    {"load", kNo, kNo, kOne, Shape::kMay},
    {"lookup", kNo, kNo, kOne, Shape::kMust},
    {"constant", kNo, {0, 1}, {0, 1}},
    {"cast", kOne, kNo, kNo},
    {"find_text", kOne, kNo, kNo, Shape::kMust},
    {"find_number", kOne, kNo, kNo, Shape::kMust},
    {"add", kOne, kOne, kNo},
    {"subtract", kOne, kOne, kNo},
    {"multiply", kOne, kOne, kNo},
    {"divide", kOne, kOne, kNo},
    {"fill_missing", kOne, kOne, kNo},
    {"fill_equal", kOne, kTwo, kNo},
    {"fill_text", kOne, kNo, {1, 2}},
    {"is_missing", kOne, kNo, kNo},
    {"is_equal", kOne, {0, 1}, {0, 1}},
    {"clip", kOne, kTwo, kNo},
    {"unary", kOne, kNo, kOne},
    {"box_cox", kOne, kOne, kNo},
    {"yeo_johnson", kOne, kOne, kNo},
    {"quantile", kOne, kAny, kTwo},
    {"bin", kOne, kAny, kNo},
    {"gather", kOne, kAny, kNo},
    {"equals_code", kOne, kNo, kOne},
    {"cyclic_sin", kOne, kTwo, kNo},
    {"cyclic_cos", kOne, kTwo, kNo},
    {"date_part", kOne, kNo, kTwo},
    {"multiply_by", kTwo, kNo, kNo},
    {"normalize", kSome, kNo, kOne},
    {"project", kSome, kAny, kOne},
    {"hash", kSome, kNo, kTwo},
    {"hash_sign", kSome, kNo, kTwo},
    {"expression", kAny, kNo, kOne},
    {"store", kSome, kNo, kTwo},
    {"store_one_hot", kOne, kTwo, kThree},
};
static_assert(sizeof kShapes / sizeof *kShapes == static_cast<size_t>(Op::kStoreOneHot) + 1);

int64_t size_of(Kind kind) {
  switch (kind) {
    case Kind::kFloat:
    case Kind::kCode:
      return 4;
    case Kind::kText:
      return sizeof(std::string_view);
    default:
      return 8;
  }
}

int64_t size_of(Element element) { return element == Element::kFloat || element == Element::kInt32 ? 4 : 8; }

const char* kind_name(Kind kind) {
  static const char* const kNames[] = {"float", "double", "int", "text", "code"};
  return kNames[static_cast<size_t>(kind)];
}

class Compiler {
 public:
  Compiler(const std::vector<Kind>& registers, std::vector<std::string> texts, int32_t column_count,
           const std::vector<OutputSpec>& outputs)
      : registers_(registers), column_count_(column_count), outputs_(outputs) {
    result_.texts = std::move(texts);
    for (const Kind kind : registers) {
      offsets_.push_back(result_.register_bytes);
      result_.register_bytes += size_of(kind);
    }
    written_.resize(registers.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].width < 0) {
        throw std::invalid_argument("output " + std::to_string(i) + ": expected a width of 0 or more, got " +
                                    std::to_string(outputs[i].width));
      }
      stored_.emplace_back(static_cast<size_t>(outputs[i].width), Stored::kNot);
    }
  }

  void add_tables(std::vector<Table> tables) {
    for (size_t i = 0; i < tables.size(); ++i) {
      try {
        result_.lookups.push_back(std::make_unique<Lookup>(std::move(tables[i])));
      } catch (const std::invalid_argument& error) {
        throw std::invalid_argument("table " + std::to_string(i) + ": " + error.what());
      }
    }
  }

  void add(const Instruction& instruction) {
    index_ = static_cast<int32_t>(result_.steps.size());
    instruction_ = &instruction;
    if (static_cast<size_t>(instruction.op) >= sizeof kShapes / sizeof *kShapes) {
      throw std::invalid_argument("instruction " + std::to_string(index_) + ": no such operation");
    }
    check_counts();
    Step step;
    step.index = index_;
    step.wide = instruction.wide;
    step.numbers = instruction.numbers;
    step.integers = instruction.integers;
    if (instruction.table >= 0) step.lookup = result_.lookups[static_cast<size_t>(instruction.table)].get();
    result_.most_src = std::max(result_.most_src, instruction.src.size());
    for (const int32_t src : instruction.src) {
      const Kind kind = kind_of(src, "src");
      if (!written_[static_cast<size_t>(src)])
        fail("register " + std::to_string(src) + " is read before it is written");
      step.src.push_back(offsets_[static_cast<size_t>(src)]);
      step.src_kinds.push_back(kind);
    }
    if (instruction.op >= Op::kStore) {
      add_store(&step);
    } else {
      check_dst(&step);
      check_parameters(&step);
      step.kernel = kernel_of();
      if (step.kernel == nullptr) fail_kinds(step);
    }
    result_.steps.push_back(std::move(step));
  }

  CompiledProgram finish() {
    for (size_t i = 0; i < stored_.size(); ++i) {
      for (size_t column = 0; column < stored_[i].size(); ++column) {
        if (stored_[i][column] == Stored::kNot) {
          throw std::invalid_argument("output " + std::to_string(i) + ": column " + std::to_string(column) +
                                      " is never stored");
        }
      }
      add_clears(static_cast<int32_t>(i));
    }
    return std::move(result_);
  }

 private:
  enum class Stored : uint8_t { kNot, kPlain, kOneHot };

  [[noreturn]] void fail(const std::string& message) const {
    throw std::invalid_argument("instruction " + std::to_string(index_) + " (" + op_name(instruction_->op) +
                                "): " + message);
  }
  [[noreturn]] void fail_kinds(const Step& step) const {
    std::string message = "not for";
    for (const Kind kind : step.src_kinds) message += std::string(" ") + kind_name(kind);
    fail(message + (step.src.empty() ? " " : " to ") +
         kind_name(registers_[static_cast<size_t>(instruction_->dst)]));
  }

  void check_counts() const {
    const Shape& shape = kShapes[static_cast<size_t>(instruction_->op)];
    const auto check = [&](const char* what, const Count& count, size_t n) {
      if (count.holds(n)) return;
      std::string expected = std::to_string(count.least);
      if (count.most == kMany) expected += " or more";
      if (count.most != kMany && count.most != count.least) expected += " to " + std::to_string(count.most);
      fail("expected " + expected + " " + what + ", got " + std::to_string(n));
    };
    check("src", shape.src, instruction_->src.size());
    check("numbers", shape.numbers, instruction_->numbers.size());
    check("integers", shape.integers, instruction_->integers.size());
    const auto tables = static_cast<int32_t>(result_.lookups.size());
    if (instruction_->table >= tables || (shape.table == Shape::kMust && instruction_->table < 0)) {
      fail("expected a table below " + std::to_string(tables) + ", got " +
           std::to_string(instruction_->table));
    }
    if (shape.table == Shape::kNone && instruction_->table >= 0) fail("takes no table");
  }

  Kind kind_of(int32_t index, const char* what) const {
    if (index < 0 || static_cast<size_t>(index) >= registers_.size()) {
      fail(std::string(what) + ": expected a register below " + std::to_string(registers_.size()) + ", got " +
           std::to_string(index));
    }
    return registers_[static_cast<size_t>(index)];
  }
  Kind src_kind() const {
    return instruction_->src.empty() ? Kind::kFloat : registers_[static_cast<size_t>(instruction_->src[0])];
  }
  Kind dst_kind() const { return registers_[static_cast<size_t>(instruction_->dst)]; }

  // How many registers the instruction writes, from dst on.
  int64_t dst_count() const {
    if (instruction_->op == Op::kNormalize) return static_cast<int64_t>(instruction_->src.size());
    if (instruction_->op == Op::kProject) return instruction_->integers[0];
    return 1;
  }

  void check_dst(Step* step) {
    const int64_t count = dst_count();
    if (count < 1 || count > static_cast<int64_t>(registers_.size())) {
      fail("expected 1 to " + std::to_string(registers_.size()) + " results, got " + std::to_string(count));
    }
    const Kind kind = kind_of(instruction_->dst, "dst");
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<int32_t>(instruction_->dst + i);
      if (kind_of(at, "dst") != kind) fail("its results are of several kinds");
      written_[static_cast<size_t>(at)] = true;
      step->dsts.push_back(offsets_[static_cast<size_t>(at)]);
      for (size_t j = 0; count > 1 && j < instruction_->src.size(); ++j) {
        const bool same_place = instruction_->op == Op::kNormalize && static_cast<int64_t>(j) == i;
        if (instruction_->src[j] == at && !same_place) fail("its results overlap what it reads");
      }
    }
    step->dst = step->dsts[0];
  }

  void need_integer(size_t at, int64_t low, int64_t high, const char* what) const {
    const int64_t got = instruction_->integers[at];
    if (got >= low && got < high) return;
    fail(std::string(what) + ": expected " + std::to_string(low) + " to " + std::to_string(high - 1) +
         ", got " + std::to_string(got));
  }
  void need_numbers(size_t expected) const {
    if (instruction_->numbers.size() != expected) {
      fail("expected " + std::to_string(expected) + " numbers, got " +
           std::to_string(instruction_->numbers.size()));
    }
  }
  void need_ascending(size_t count, const char* what) const {
    const std::vector<double>& numbers = instruction_->numbers;
    for (size_t i = 0; i < count; ++i) {
      const bool right = i == 0 ? numbers[i] == numbers[i] : numbers[i - 1] <= numbers[i];
      if (!right) fail(std::string(what) + " " + std::to_string(i) + " is not above the one before");
    }
  }
  void need_text_table(bool text) const {
    if (instruction_->table >= 0 &&
        result_.lookups[static_cast<size_t>(instruction_->table)]->text() != text) {
      fail(text ? "expected a table of texts, got one of numbers"
                : "expected a table of numbers, got one of texts");
    }
  }
  std::string_view constant_text(size_t at) const {
    need_integer(at, 0, static_cast<int64_t>(result_.texts.size()), "text");
    const std::string& text = result_.texts[static_cast<size_t>(instruction_->integers[at])];
    return {text.data(), text.size()};
  }

  void check_parameters(Step* step) {
    const Instruction& i = *instruction_;
    const bool text = dst_kind() == Kind::kText;
    switch (i.op) {
      case Op::kLoad:
        need_integer(0, 0, column_count_, "column");
        if (i.table >= 0 && !text) fail("a table of missing texts is for text");
        need_text_table(true);
        result_.reads.push_back({index_, static_cast<int32_t>(i.integers[0]), text, nullptr});
        break;
      case Op::kLookup:
        need_integer(0, 0, column_count_, "column");
        result_.reads.push_back(
            {index_, static_cast<int32_t>(i.integers[0]), step->lookup->text(), step->lookup});
        break;
      case Op::kFindText:
      case Op::kFindNumber:
        need_text_table(i.op == Op::kFindText);
        break;
      case Op::kConstant:
        if (i.numbers.size() != (text ? 0u : 1u) || i.integers.size() != (text ? 1u : 0u)) {
          fail("expected one number, or the integer of a text");
        }
        if (text) step->text = constant_text(0);
        break;
      case Op::kIsEqual: {
        const bool of_text = src_kind() == Kind::kText;
        if (i.numbers.size() != (of_text ? 0u : 1u) || i.integers.size() != (of_text ? 1u : 0u)) {
          fail("expected one number, or the integer of a text");
        }
        if (of_text) step->text = constant_text(0);
        break;
      }
      case Op::kFillText:
        step->text = constant_text(0);
        if (i.integers.size() > 1 && i.integers[1] >= 0) step->equal = constant_text(1);
        break;
      case Op::kClip:
        if (!(i.numbers[0] <= i.numbers[1])) fail("expected low <= high");
        break;
      case Op::kUnary:
        need_integer(0, 0, static_cast<int64_t>(Unary::kIdentity) + 1, "function");
        break;
      case Op::kQuantile:
        need_integer(0, 1, kMany, "quantiles");
        need_integer(1, 0, 2, "normal");
        need_numbers(2 * static_cast<size_t>(i.integers[0]));
        break;
      case Op::kBin:
        need_ascending(i.numbers.size(), "edge");
        break;
      case Op::kDatePart:
        need_integer(0, 0, static_cast<int64_t>(DatePart::kEpochDays) + 1, "part");
        need_integer(1, 0, static_cast<int64_t>(TimeUnit::kNanoseconds) + 1, "unit");
        if (src_kind() != Kind::kInt) fail("expected an int, got a " + std::string(kind_name(src_kind())));
        break;
      case Op::kMultiplyBy:
      case Op::kNormalize:
      case Op::kProject:
        for (const Kind kind : step->src_kinds) {
          if (kind != src_kind()) fail("what it reads is of several kinds");
        }
        if (i.op == Op::kNormalize) need_integer(0, 0, 3, "norm");
        if (i.op == Op::kProject) {
          need_numbers(static_cast<size_t>(i.integers[0]) * (i.src.size() + 2));
        }
        break;
      case Op::kHash:
      case Op::kHashSign:
        need_integer(0, 1, int64_t{1} << 31, "buckets");
        for (const Kind kind : step->src_kinds) {
          if (kind == Kind::kCode) fail("a code has no hash");
        }
        break;
      case Op::kExpression:
        if (i.integers[0] == 0) fail("expected the address of a function, got 0");
        for (const Kind kind : step->src_kinds) {
          if (kind != Kind::kDouble) fail("expected doubles, got a " + std::string(kind_name(kind)));
        }
        break;
      default:
        break;
    }
  }

  Kernel kernel_of() const {
    const Instruction& i = *instruction_;
    switch (i.op) {
      case Op::kLoad:
      case Op::kLookup:
        return load_kernel(i.op, dst_kind());
      case Op::kFindText:
      case Op::kFindNumber:
        return dst_kind() == Kind::kCode ? find_kernel(i.op, src_kind()) : nullptr;
      case Op::kUnary:
      case Op::kBoxCox:
      case Op::kYeoJohnson:
      case Op::kCyclicSin:
      case Op::kCyclicCos:
        return function_kernel(i, dst_kind(), src_kind());
      case Op::kQuantile:
        return dst_kind() == src_kind() ? quantile_kernel(dst_kind(), i.integers[1] != 0) : nullptr;
      case Op::kBin:
      case Op::kGather:
      case Op::kEqualsCode:
        return code_kernel(i.op, dst_kind(), src_kind());
      case Op::kDatePart:
        return date_kernel(i, dst_kind());
      case Op::kMultiplyBy:
      case Op::kNormalize:
      case Op::kProject:
      case Op::kExpression:
        return rows_kernel(i, dst_kind(), src_kind());
      case Op::kHash:
      case Op::kHashSign:
        return hash_kernel(i.op, dst_kind());
      default:
        return elementwise_kernel(i, dst_kind(), src_kind());
    }
  }

  void add_store(Step* step) {
    const Instruction& i = *instruction_;
    const bool plain = i.op == Op::kStore;
    need_integer(0, 0, static_cast<int64_t>(outputs_.size()), "output");
    if (!plain) need_integer(2, 0, kMany, "width");
    const OutputSpec& output = outputs_[static_cast<size_t>(i.integers[0])];
    const int64_t width = plain ? static_cast<int64_t>(i.src.size()) : i.integers[2];
    need_integer(1, 0, output.width - width + 1, "column");
    for (const Kind kind : step->src_kinds) {
      if (kind == Kind::kText) fail("text cannot be stored");
      if (!plain && kind != Kind::kCode) fail("expected a code, got a " + std::string(kind_name(kind)));
    }
    std::vector<Stored>& stored = stored_[static_cast<size_t>(i.integers[0])];
    for (int64_t column = i.integers[1]; column < i.integers[1] + width; ++column) {
      Stored& state = stored[static_cast<size_t>(column)];
      if (state != Stored::kNot) fail("column " + std::to_string(column) + " is stored already");
      state = !plain && i.numbers[1] == 0 ? Stored::kOneHot : Stored::kPlain;
    }
    step->element = output.element;
    step->kernel = store_kernel(i.op, output.element);
  }

  // One range where most of the row is to be cleared; else one for each run of one-hot columns.
  void add_clears(int32_t output) {
    const std::vector<Stored>& stored = stored_[static_cast<size_t>(output)];
    const int64_t size = size_of(outputs_[static_cast<size_t>(output)].element);
    const auto width = static_cast<int64_t>(stored.size());
    std::vector<ClearRange> ranges;
    int64_t cleared = 0;
    for (int64_t column = 0; column < width; ++column) {
      if (stored[static_cast<size_t>(column)] != Stored::kOneHot) continue;
      if (column > 0 && stored[static_cast<size_t>(column - 1)] == Stored::kOneHot) {
        ranges.back().bytes += size;
      } else {
        ranges.push_back({output, column * size, size});
      }
      ++cleared;
    }
    if (2 * cleared > width) ranges = {{output, 0, width * size}};
    result_.clears.insert(result_.clears.end(), ranges.begin(), ranges.end());
  }

  const std::vector<Kind>& registers_;
  const int32_t column_count_;
  const std::vector<OutputSpec>& outputs_;
  CompiledProgram result_;
  std::vector<int64_t> offsets_;
  std::vector<bool> written_;
  std::vector<std::vector<Stored>> stored_;
  int32_t index_ = 0;
  const Instruction* instruction_ = nullptr;
};

}  // namespace

const char* op_name(Op op) { return kShapes[static_cast<size_t>(op)].name; }

CompiledProgram compile_program(const std::vector<Kind>& registers,
                                const std::vector<Instruction>& instructions, std::vector<Table> tables,
                                std::vector<std::string> texts, int32_t column_count,
                                const std::vector<OutputSpec>& outputs) {
  Compiler compiler(registers, std::move(texts), column_count, outputs);
  compiler.add_tables(std::move(tables));
  for (const Instruction& instruction : instructions) compiler.add(instruction);
  return compiler.finish();
}

}  // namespace penstock
