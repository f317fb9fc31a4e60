// From instructions to steps: every register, kind, table, column, output and parameter is checked here, so
// that the kernels need not.
#ifndef PENSTOCK_TRANSFORM_COMPILE_H_
#define PENSTOCK_TRANSFORM_COMPILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transform/lookup.h"
#include "transform/step.h"

namespace penstock {

// Columns of an output that one-hot stores leave zero but for one, next to each other.
struct ClearRange {
  int32_t output;
  int64_t first_byte;
  int64_t bytes;
};

// What reads a raw column, for the checks and remaps at the start of a run.
struct ColumnRead {
  int32_t instruction;
  int32_t column;
  bool text;
  const Lookup* remapped;  // kLookup only
};

struct CompiledProgram {
  std::vector<Step> steps;
  std::vector<std::unique_ptr<Lookup>> lookups;
  std::vector<std::string> texts;
  std::vector<ColumnRead> reads;
  std::vector<ClearRange> clears;
  int64_t register_bytes = 0;  // of one row
  size_t most_src = 0;         // that one instruction has
};

// Throws std::invalid_argument, naming the instruction.
CompiledProgram compile_program(const std::vector<Kind>& registers,
                                const std::vector<Instruction>& instructions, std::vector<Table> tables,
                                std::vector<std::string> texts, int32_t column_count,
                                const std::vector<OutputSpec>& outputs);

// The name of an instruction, as in instructions.py.
const char* op_name(Op op);

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_COMPILE_H_
