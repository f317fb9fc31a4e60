// Transforms: random programs over random columns in memory of exactly their size. Whatever the blocks, the
// threads and the state of the outputs, a batch gives what its rows give one by one, or refuses the lowest.
#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <stdexcept>

#include "tests/fuzz.h"
#include "transform/program.h"

namespace penstock::fuzz {
namespace {

// A column and the memory that it lies in.
struct TestColumn {
  ColumnView view;
  std::vector<std::unique_ptr<uint8_t[]>> memory;
  std::vector<std::unique_ptr<TestColumn>> dictionaries;
  std::vector<const void*> buffers;

  uint8_t* allocate(size_t size_bytes) {
    memory.emplace_back(new uint8_t[size_bytes]);
    return memory.back().get();
  }
};

size_t size_of(Layout layout) {
  switch (layout) {
    case Layout::kInt16:
    case Layout::kUint16:
    case Layout::kHalf:
      return 2;
    case Layout::kInt32:
    case Layout::kUint32:
    case Layout::kFloat:
      return 4;
    case Layout::kInt64:
    case Layout::kUint64:
    case Layout::kDouble:
      return 8;
    default:
      return 1;
  }
}

double random_number(Random* random) {
  static const std::vector<double> kEdges = {0,   -0.0, 1,    -1,    NAN,   INFINITY,     -INFINITY, 5e-324,
                                             0.5, 2,    1e-7, 1e300, 1e-30, 2147483648.0, 9.3e18};
  return random->chance(0.5) ? random->pick(kEdges)
                             : static_cast<double>(random->between(-4000, 4000)) / 1000;
}

std::string random_text(Random* random) {
  static const std::vector<std::string> kTexts = {
      "", "a", "b", "abcdefgh", "abcdefghijklmnop", "abcdefghijklmnopq"};
  return random->chance(0.7) ? random->pick(kTexts) : random->bytes(random->below(40));
}

void add_validity(Random* random, TestColumn* column) {
  if (random->chance(0.5)) return;
  ColumnView& view = column->view;
  view.validity_offset = random->between(0, 70);
  const auto size = static_cast<size_t>(view.validity_offset + view.length + 7) / 8;
  uint8_t* bits = column->allocate(size);
  const bool all = random->chance(0.3);
  for (size_t i = 0; i < size; ++i) bits[i] = all ? 0xff : static_cast<uint8_t>(random->bits());
  view.validity = bits;
}

void fill_numbers(Random* random, TestColumn* column) {
  ColumnView& view = column->view;
  if (view.layout == Layout::kBits) {
    view.bit_offset = random->between(0, 70);
    const auto size = static_cast<size_t>(view.bit_offset + view.length + 7) / 8;
    uint8_t* bits = column->allocate(size);
    for (size_t i = 0; i < size; ++i) bits[i] = static_cast<uint8_t>(random->bits());
    view.values = bits;
    return;
  }
  const auto size = static_cast<int64_t>(size_of(view.layout));
  const int64_t step = random->chance(0.6) ? size : random->chance(0.2) ? 0 : size * random->between(1, 3);
  const auto count = static_cast<size_t>(std::max<int64_t>(view.length - 1, 0) * step + size);
  uint8_t* bytes = column->allocate(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(random->bits());
  for (int64_t i = 0; i < view.length; ++i) {
    const double x = random_number(random);
    const auto narrow = static_cast<float>(x);
    if (view.layout == Layout::kFloat) std::memcpy(bytes + i * step, &narrow, 4);
    if (view.layout == Layout::kDouble) std::memcpy(bytes + i * step, &x, 8);
  }
  const bool reversed = view.length > 0 && random->chance(0.2);
  view.values = reversed ? bytes + (view.length - 1) * step : bytes;
  view.stride = reversed ? -step : step;
}

template <typename Offset>
void fill_offset_texts(Random* random, TestColumn* column) {
  const auto length = static_cast<size_t>(column->view.length);
  auto* offsets = reinterpret_cast<Offset*>(column->allocate((length + 1) * sizeof(Offset)));
  std::string bytes(random->below(4), 'x');
  for (size_t i = 0; i <= length; ++i) {
    offsets[i] = static_cast<Offset>(bytes.size());
    if (i < length) bytes += random_text(random);
  }
  column->view.offsets = offsets;
  uint8_t* memory = column->allocate(bytes.size());
  std::memcpy(memory, bytes.data(), bytes.size());
  column->view.values = bytes.empty() ? nullptr : memory;
}

void fill_text_views(Random* random, TestColumn* column) {
  const auto length = static_cast<size_t>(column->view.length);
  uint8_t* views = column->allocate(16 * length);
  for (size_t i = 0; i < length; ++i) {
    const std::string text = random_text(random);
    int32_t words[4] = {static_cast<int32_t>(text.size()), 0, 0, 0};
    if (text.size() <= 12) {
      std::memcpy(words + 1, text.data(), text.size());
    } else {
      uint8_t* buffer = column->allocate(text.size());
      std::memcpy(buffer, text.data(), text.size());
      words[2] = static_cast<int32_t>(column->buffers.size());
      column->buffers.push_back(buffer);
    }
    std::memcpy(views + 16 * i, words, sizeof words);
  }
  column->view.values = views;
  column->view.buffers = column->buffers.data();
}

void fill_text_refs(Random* random, TestColumn* column) {
  const auto length = static_cast<size_t>(column->view.length);
  auto* refs = reinterpret_cast<std::string_view*>(column->allocate(length * sizeof(std::string_view)));
  for (size_t i = 0; i < length; ++i) {
    const std::string text = random_text(random);
    uint8_t* memory = column->allocate(text.size());
    std::memcpy(memory, text.data(), text.size());
    refs[i] = random->chance(0.1) ? std::string_view()
                                  : std::string_view(reinterpret_cast<char*>(memory), text.size());
  }
  column->view.values = refs;
}

std::unique_ptr<TestColumn> random_column(Random* random, bool text, int64_t length,
                                          bool in_dictionary = false) {
  auto column = std::make_unique<TestColumn>();
  ColumnView& view = column->view;
  view.length = length;
  if (!in_dictionary && random->chance(0.25)) {
    column->dictionaries.push_back(random_column(random, text, random->between(1, 100), true));
    view.layout = random->pick<Layout>(
        {Layout::kInt8, Layout::kUint8, Layout::kInt16, Layout::kInt32, Layout::kUint32, Layout::kInt64});
    fill_numbers(random, column.get());
    view.codes = view.layout;
    view.layout = Layout::kDictionary;
    view.dictionary = &column->dictionaries.back()->view;
    add_validity(random, column.get());
    // Only where a value is there must its code be one: the rest keeps whatever came.
    const auto entries = static_cast<uint64_t>(view.dictionary->length);
    for (int64_t i = 0; i < length; ++i) {
      const int64_t bit = view.validity_offset + i;
      if (view.stride != 0 && view.validity != nullptr && !(view.validity[bit / 8] >> (bit % 8) & 1))
        continue;
      const uint64_t code = random->below(entries);
      auto* at = static_cast<uint8_t*>(const_cast<void*>(view.values)) + i * view.stride;
      std::memcpy(at, &code, size_of(view.codes));
    }
    return column;
  }
  if (text) {
    view.layout =
        random->pick<Layout>({Layout::kText32, Layout::kText64, Layout::kTextView, Layout::kTextRefs});
    if (view.layout == Layout::kText32) fill_offset_texts<int32_t>(random, column.get());
    if (view.layout == Layout::kText64) fill_offset_texts<int64_t>(random, column.get());
    if (view.layout == Layout::kTextView) fill_text_views(random, column.get());
    if (view.layout == Layout::kTextRefs) fill_text_refs(random, column.get());
  } else {
    view.layout = static_cast<Layout>(random->below(static_cast<uint64_t>(Layout::kText32)));
    fill_numbers(random, column.get());
  }
  add_validity(random, column.get());
  return column;
}

// A program that mostly is one, and where it is not says so.
struct TestProgram {
  std::vector<Kind> registers;
  std::vector<Instruction> instructions;
  std::vector<Table> tables;
  std::vector<std::string> texts;
  std::vector<bool> text_columns;
  std::vector<OutputSpec> outputs;
};

void add_columns(const double* const* columns, double* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = columns[0][i] + columns[1][i];
}

Table random_table(Random* random, bool text) {
  Table table;
  table.text = text;
  for (uint64_t i = random->below(40); i > 0; --i) {
    const std::string name = random_text(random);
    const double number = random_number(random);
    if (text && std::find(table.texts.begin(), table.texts.end(), name) == table.texts.end()) {
      table.texts.push_back(name);
    }
    if (!text && number == number &&
        std::find(table.numbers.begin(), table.numbers.end(), number) == table.numbers.end()) {
      table.numbers.push_back(number);
    }
  }
  const auto random_code = [&] {
    return static_cast<int32_t>(random->chance(0.002) ? kRefuse : random->between(-1, 9));
  };
  table.codes.resize(text ? table.texts.size() : table.numbers.size());
  for (int32_t& code : table.codes) code = random_code();
  table.missing = random->chance(0.05) ? kRefuse : random_code();
  table.unknown = random->chance(0.05) ? kRefuse : random_code();
  return table;
}

class Maker {
 public:
  explicit Maker(Random* random) : random_(random) {}

  TestProgram make() {
    for (uint64_t i = 1 + random_->below(6); i > 0; --i)
      program_.text_columns.push_back(random_->chance(0.5));
    for (int i = 0; i < 4; ++i) program_.tables.push_back(random_table(random_, i % 2 == 0));
    program_.texts = {"a", "", "other"};
    for (int i = 0; i < 25; ++i) program_.registers.push_back(static_cast<Kind>(i % 5));
    for (int32_t kind = 0; kind < 5; ++kind) constant(kind);  // one of each kind to begin with
    for (uint64_t i = random_->below(40); i > 0; --i) add();
    store();
    return std::move(program_);
  }

 private:
  // A register of a kind; of those written when it is to be read.
  int32_t any(Kind kind) { return static_cast<int32_t>(5 * random_->below(5)) + static_cast<int32_t>(kind); }
  int32_t written(Kind kind) {
    for (;;) {
      const int32_t at = any(kind);
      if (std::find(written_.begin(), written_.end(), at) != written_.end()) return at;
    }
  }
  Kind floating() { return random_->chance(0.5) ? Kind::kFloat : Kind::kDouble; }
  Kind numeric() { return random_->pick<Kind>({Kind::kFloat, Kind::kDouble, Kind::kInt, Kind::kCode}); }
  std::vector<double> numbers(uint64_t count) {
    std::vector<double> result(count);
    for (double& number : result) number = random_number(random_);
    return result;
  }
  std::vector<double> ascending(uint64_t count) {
    std::vector<double> result(count);
    for (double& number : result) number = static_cast<double>(random_->between(-20, 20)) / 8;
    std::sort(result.begin(), result.end());
    return result;
  }

  void push(Op op, int32_t dst, std::vector<int32_t> src, std::vector<double> numbers = {},
            std::vector<int64_t> integers = {}, int32_t table = -1) {
    program_.instructions.push_back(
        {op, random_->chance(0.3), dst, std::move(src), std::move(numbers), std::move(integers), table});
    if (dst >= 0) written_.push_back(dst);
  }
  void constant(int32_t kind) {
    if (static_cast<Kind>(kind) == Kind::kText) return push(Op::kConstant, kind, {}, {}, {0});
    push(Op::kConstant, kind, {}, numbers(1));
  }

  void add() {
    const auto op = static_cast<Op>(random_->below(static_cast<uint64_t>(Op::kStore)));
    const auto column = static_cast<int64_t>(random_->below(program_.text_columns.size()));
    const bool text = program_.text_columns[static_cast<size_t>(column)];
    const auto table = static_cast<int32_t>(2 * random_->below(2));
    const Kind kind = floating();
    switch (op) {
      case Op::kLoad:
        if (text) return push(op, any(Kind::kText), {}, {}, {column}, random_->chance(0.5) ? table : -1);
        return push(op, any(random_->pick<Kind>({Kind::kFloat, Kind::kDouble, Kind::kInt})), {}, {},
                    {column});
      case Op::kLookup:
        return push(op, any(Kind::kCode), {}, {}, {column}, table + !text);
      case Op::kConstant:
        return constant(static_cast<int32_t>(random_->below(5)));
      case Op::kCast:
        return push(op, any(numeric()), {written(numeric())});
      case Op::kFindText:
        return push(op, any(Kind::kCode), {written(Kind::kText)}, {}, {}, table);
      case Op::kFindNumber:
        return push(op, any(Kind::kCode), {written(kind)}, {}, {}, table + 1);
      case Op::kFillEqual:
      case Op::kCyclicSin:
      case Op::kCyclicCos:
        return push(op, any(kind), {written(kind)}, numbers(2));
      case Op::kClip:
        return push(op, any(kind), {written(kind)}, ascending(2));
      case Op::kFillText:
        return push(op, any(Kind::kText), {written(Kind::kText)}, {}, {0, random_->between(-1, 2)});
      case Op::kIsMissing:
        return push(op, any(kind), {written(static_cast<Kind>(random_->below(4)))});
      case Op::kIsEqual:
        if (random_->chance(0.5)) return push(op, any(kind), {written(Kind::kText)}, {}, {1});
        return push(op, any(kind), {written(floating())}, numbers(1));
      case Op::kUnary:
        return push(op, any(kind), {written(kind)}, {},
                    {random_->between(0, static_cast<int64_t>(Unary::kIdentity))});
      case Op::kQuantile: {
        const int64_t n = random_->between(1, 20);
        std::vector<double> both = ascending(static_cast<uint64_t>(n));
        for (int64_t i = 0; i < n; ++i) both.push_back(static_cast<double>(i) / static_cast<double>(n));
        return push(op, any(kind), {written(kind)}, both, {n, random_->between(0, 1)});
      }
      case Op::kBin:
        return push(op, any(Kind::kCode), {written(kind)}, ascending(random_->below(50)));
      case Op::kGather:
        return push(op, any(numeric()), {written(Kind::kCode)}, numbers(random_->below(12)));
      case Op::kEqualsCode:
        return push(op, any(kind), {written(Kind::kCode)}, {}, {random_->between(-1, 9)});
      case Op::kDatePart:
        return push(op, any(numeric()), {written(Kind::kInt)}, {},
                    {random_->between(0, 12), random_->between(0, 4)});
      case Op::kMultiplyBy:
        return push(op, any(kind), {written(kind), written(kind)});
      case Op::kNormalize:  // one, or in place of nothing else: registers of one kind do not lie side by side
        return push(op, any(kind), {written(kind)}, {}, {random_->between(0, 2)});
      case Op::kProject:
        return push(op, any(floating()), {written(kind), written(kind), written(kind)}, numbers(5), {1});
      case Op::kHash:
      case Op::kHashSign: {
        const Kind to = op == Op::kHash ? Kind::kCode : kind;
        return push(op, any(to), {written(Kind::kText), written(Kind::kInt), written(floating())}, {},
                    {random_->between(1, 20), static_cast<int64_t>(random_->bits())});
      }
      case Op::kExpression:
        return push(op, any(Kind::kDouble), {written(Kind::kDouble), written(Kind::kDouble)}, {},
                    {static_cast<int64_t>(reinterpret_cast<uintptr_t>(&add_columns))});
      default:  // one number
        return push(op, any(kind), {written(kind)}, numbers(1));
    }
  }

  void store() {
    for (int64_t i = 0; i < 4; ++i) {
      OutputSpec output{static_cast<Element>(i), 0};
      for (uint64_t parts = random_->below(4); parts > 0; --parts) {
        if (random_->chance(0.5)) {
          std::vector<int32_t> src;
          for (uint64_t k = 1 + random_->below(12); k > 0; --k) src.push_back(written(numeric()));
          const auto width = static_cast<int64_t>(src.size());
          push(Op::kStore, -1, std::move(src), {}, {i, output.width});
          output.width += width;
        } else {
          const int64_t width = random_->between(1, 12);
          push(Op::kStoreOneHot, -1, {written(Kind::kCode)}, {1, random_->chance(0.8) ? 0.0 : -1.0},
               {i, output.width, width});
          output.width += width;
        }
      }
      program_.outputs.push_back(output);
    }
  }

  Random* const random_;
  TestProgram program_;
  std::vector<int32_t> written_;
};

// Anything at all in one place of a program: it must be refused, or run.
void spoil(Random* random, TestProgram* program) {
  Instruction& it = program->instructions[random->below(program->instructions.size())];
  if (it.op == Op::kExpression) return;  // its function is trusted
  const auto small = [&] { return random->between(-2, 30); };
  switch (random->below(7)) {
    case 0:
      it.op = static_cast<Op>(random->below(40));
      if (it.op == Op::kExpression) it.op = Op::kAdd;
      break;
    case 1:
      it.dst = static_cast<int32_t>(small());
      break;
    case 2:
      it.table = static_cast<int32_t>(small());
      break;
    case 3:
      it.src.resize(random->below(4), static_cast<int32_t>(small()));
      break;
    case 4:
      it.numbers.resize(random->below(8), random_number(random));
      break;
    case 5:
      it.integers.resize(random->below(4), small());
      break;
    default:
      if (!it.integers.empty()) {
        it.integers[random->below(it.integers.size())] = static_cast<int64_t>(random->number());
      }
      break;
  }
}

struct Result {
  bool done = false;
  RefusedValue refusal;
  std::vector<std::vector<uint8_t>> outputs;
};

Result run(const Program& program, const TestProgram& made, const std::vector<ColumnView>& columns,
           int64_t rows, int threads, bool zeroed) {
  Result result;
  std::vector<OutputView> views;
  for (const OutputSpec& output : made.outputs) {
    const bool wide = output.element == Element::kDouble || output.element == Element::kInt64;
    OutputView view;
    view.row_bytes = output.width * (wide ? 8 : 4);
    result.outputs.emplace_back(static_cast<size_t>(rows * view.row_bytes), zeroed ? 0 : 0xab);
    view.data = result.outputs.back().data();
    view.zeroed = zeroed;
    views.push_back(view);
  }
  result.done = program.run(columns.data(), rows, views.data(), threads, &result.refusal);
  return result;
}

template <typename T>
bool same(const uint8_t* left, const uint8_t* right, size_t size_bytes) {
  for (size_t i = 0; i < size_bytes; i += sizeof(T)) {
    T a, b;
    std::memcpy(&a, left + i, sizeof a);
    std::memcpy(&b, right + i, sizeof b);
    if (std::memcmp(&a, &b, sizeof a) != 0 && !(a != a && b != b)) return false;
  }
  return true;
}

// Any NaN is as good as another.
bool same(const TestProgram& made, const Result& left, const Result& right, int64_t first_row, int64_t rows) {
  for (size_t i = 0; i < made.outputs.size(); ++i) {
    const Element element = made.outputs[i].element;
    const bool wide = element == Element::kDouble || element == Element::kInt64;
    const auto row_bytes = static_cast<size_t>(made.outputs[i].width * (wide ? 8 : 4));
    const uint8_t* a = left.outputs[i].data() + static_cast<size_t>(first_row) * row_bytes;
    const uint8_t* b = right.outputs[i].data();
    const size_t size_bytes = static_cast<size_t>(rows) * row_bytes;
    if (size_bytes == 0) continue;
    if (element == Element::kFloat && !same<float>(a, b, size_bytes)) return false;
    if (element == Element::kDouble && !same<double>(a, b, size_bytes)) return false;
    if (element >= Element::kInt32 && std::memcmp(a, b, size_bytes) != 0) return false;
  }
  return true;
}

// The rows from one on.
std::vector<ColumnView> from_row(const std::vector<ColumnView>& columns, int64_t row) {
  std::vector<ColumnView> result = columns;
  for (ColumnView& view : result) {
    view.length -= row;
    view.validity_offset += row;
    view.bit_offset += row;
    const auto* bytes = static_cast<const uint8_t*>(view.values);
    const auto* offsets = static_cast<const uint8_t*>(view.offsets);
    if (view.layout == Layout::kText32) view.offsets = offsets + 4 * row;
    if (view.layout == Layout::kText64) view.offsets = offsets + 8 * row;
    if (view.layout == Layout::kTextView || view.layout == Layout::kTextRefs) view.values = bytes + 16 * row;
    if (view.layout == Layout::kDictionary ||
        (view.layout < Layout::kText32 && view.layout != Layout::kBits)) {
      view.values = bytes + row * view.stride;
    }
  }
  return result;
}

struct Tally {
  uint64_t programs = 0;
  uint64_t refused_programs = 0;
  uint64_t rows = 0;
  uint64_t refused_batches = 0;
};

void check_one(Random* random, Tally* tally) {
  TestProgram made = Maker(random).make();
  const bool spoilt = random->chance(0.4);
  if (spoilt) spoil(random, &made);
  std::unique_ptr<Program> program;
  try {
    program = std::make_unique<Program>(made.registers, made.instructions, made.tables, made.texts,
                                        static_cast<int32_t>(made.text_columns.size()), made.outputs);
  } catch (const std::invalid_argument& error) {
    CHECK(spoilt && *error.what() != '\0');
    ++tally->refused_programs;
    return;
  }
  ++tally->programs;
  static const std::vector<int64_t> kRows = {0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 600};
  const int64_t rows = random->chance(0.03) ? random->between(4000, 13000) : random->pick(kRows);
  std::vector<std::unique_ptr<TestColumn>> columns;
  std::vector<ColumnView> views;
  for (const bool text : made.text_columns) {
    columns.push_back(random_column(random, text, rows));
    views.push_back(columns.back()->view);
  }
  Result whole;
  try {
    whole = run(*program, made, views, rows, 1, random->chance(0.5));
  } catch (const std::invalid_argument&) {
    CHECK(spoilt);  // reads a column of the other sort
    return;
  }
  const Result again =
      run(*program, made, views, rows, static_cast<int>(random->between(1, 4)), random->chance(0.5));
  tally->rows += static_cast<uint64_t>(rows);
  tally->refused_batches += !whole.done;
  CHECK(whole.done == again.done);
  CHECK(program->unknown_counts().size() == made.instructions.size());
  if (!whole.done) {
    CHECK(whole.refusal.row == again.refusal.row && whole.refusal.instruction == again.refusal.instruction);
    CHECK(whole.refusal.row >= 0 && whole.refusal.row < rows);
    const Result alone = run(*program, made, from_row(views, whole.refusal.row), 1, 1, false);
    CHECK(!alone.done && alone.refusal.row == 0 && alone.refusal.instruction == whole.refusal.instruction);
    const Result before = run(*program, made, views, whole.refusal.row, 1, false);
    CHECK(before.done);
    return;
  }
  CHECK(same(made, whole, again, 0, rows));
  for (int i = 0; rows > 0 && i < 5; ++i) {
    const auto row = static_cast<int64_t>(random->below(static_cast<uint64_t>(rows)));
    const int64_t count = random->chance(0.7) ? 1 : random->between(1, rows - row);
    const Result part = run(*program, made, from_row(views, row), count, 1, false);
    CHECK(part.done && same(made, whole, part, row, count));
  }
}

}  // namespace
}  // namespace penstock::fuzz

int main(int argc, char** argv) {
  const penstock::fuzz::Options options(argc, argv);
  penstock::fuzz::Random random(options.seed);
  penstock::fuzz::Tally tally;
  const int64_t deadline = options.deadline_ns();
  while (penstock::now_ns() < deadline) penstock::fuzz::check_one(&random, &tally);
  std::printf("%llu programs over %llu rows, %llu batches refused; %llu programs refused\n",
              static_cast<unsigned long long>(tally.programs), static_cast<unsigned long long>(tally.rows),
              static_cast<unsigned long long>(tally.refused_batches),
              static_cast<unsigned long long>(tally.refused_programs));
  CHECK(options.seconds < 5 ||
        (tally.programs > 0 && tally.refused_batches > 0 && tally.refused_programs > 0));
  return 0;
}
