"""A slow, obvious interpreter of lowered transforms: the oracle of the compiled one.

Registers are NumPy arrays over all rows; texts are object arrays with None where
missing. What an instruction does: csrc/transform/program.h.
"""

from __future__ import annotations

import datetime
import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special, stats

from penstock.transform.instructions import DATE_PARTS, NO_CODE, REFUSE, TIME_UNITS, UNARIES

NO_TIME = np.iinfo(np.int64).min
DTYPES = {"float": np.float32, "double": np.float64, "int": np.int64, "code": np.int32, "text": object}
UNITS_OF_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class RefusedError(Exception):
    """A lookup refused a row."""

    def __init__(self, row, instruction):
        super().__init__(row, instruction)
        self.row = row
        self.instruction = instruction


def run(lowered, columns):
    """Outputs of a lowered transform over Arrow arrays by column name."""
    arrays = [columns[name] for name in lowered.columns]
    interpreter = Interpreter(lowered, arrays)
    refusals = []
    with np.errstate(all="ignore"):
        for position, instruction in enumerate(lowered.instructions):
            row = interpreter.step(instruction)
            if row is not None:
                refusals.append((row, position))
    if refusals:
        raise RefusedError(*min(refusals))
    return interpreter.outputs


class Interpreter:
    def __init__(self, lowered, arrays):
        self.lowered = lowered
        self.arrays = arrays
        self.rows = len(arrays[0])
        self.registers = [None] * len(lowered.registers)
        # A column that nobody stores stays as it is here.
        self.outputs = [np.full((self.rows, width), -77, dtype) for dtype, width in lowered.outputs]

    def step(self, instruction):
        src = [self.registers[at] for at in instruction.src]
        kind = self.lowered.registers[instruction.dst] if instruction.dst >= 0 else None
        result = getattr(self, "do_" + instruction.op)(instruction, kind, *src)
        if instruction.dst < 0:
            return None
        refused = None
        if instruction.op in ("lookup", "find_text", "find_number"):
            result, refused = result
        several = result if isinstance(result, list) else [result]
        for offset, one in enumerate(several):
            at = instruction.dst + offset
            assert one.dtype == DTYPES[self.lowered.registers[at]], instruction
            self.registers[at] = one
        return refused

    # Into registers.

    def do_load(self, instruction, kind):
        array = self.arrays[instruction.integers[0]]
        if kind == "text":
            missing = set()
            if instruction.table >= 0:
                missing = set(self.lowered.tables[instruction.table].categories)
            return np.array([None if x in missing else x for x in array.to_pylist()] + [None], object)[:-1]
        numbers, valid = plain(array)
        if kind == "int":
            return np.where(valid, numbers.astype(np.int64), NO_TIME)
        return np.where(valid, numbers.astype(DTYPES[kind]), DTYPES[kind](np.nan))

    def do_lookup(self, instruction, kind):
        array = self.arrays[instruction.integers[0]]
        if pa.types.is_string(array.type):
            return self.codes(instruction, array.to_pylist())
        numbers, valid = plain(array)
        values = np.where(valid, numbers.astype(np.float64), np.nan)
        return self.codes(instruction, values.tolist())

    def do_find_text(self, instruction, kind, x):
        return self.codes(instruction, x.tolist())

    def do_find_number(self, instruction, kind, x):
        return self.codes(instruction, x.astype(np.float64).tolist())

    def codes(self, instruction, values):
        table = self.lowered.tables[instruction.table]
        categories = table.categories
        known = dict(zip(list(categories), table.codes.tolist(), strict=True))
        missing = lambda x: x is None or x != x  # noqa: E731
        codes = [table.missing if missing(x) else known.get(x, table.unknown) for x in values]
        refused = next((row for row, code in enumerate(codes) if code == REFUSE), None)
        return np.array([NO_CODE if code == REFUSE else code for code in codes], np.int32), refused

    def do_constant(self, instruction, kind):
        return np.full(self.rows, instruction.numbers[0], DTYPES[kind])

    def do_cast(self, instruction, kind, x):
        if kind == "int":
            fits = (x > -(2.0**63)) & (x < 2.0**63) if x.dtype.kind == "f" else x != NO_CODE
            return np.where(fits, np.where(fits, x, 0).astype(np.int64), NO_TIME)
        missing = x == (NO_CODE if x.dtype == np.int32 else NO_TIME) if x.dtype.kind == "i" else np.isnan(x)
        return np.where(missing, DTYPES[kind](np.nan), x.astype(DTYPES[kind]))

    # Element by element.

    def arithmetic(self, function, instruction, x):
        number = np.float64(instruction.numbers[0])
        if instruction.wide:
            return function(x.astype(np.float64), number).astype(x.dtype)
        return function(x, number.astype(x.dtype))

    def do_add(self, instruction, kind, x):
        return self.arithmetic(np.add, instruction, x)

    def do_subtract(self, instruction, kind, x):
        return self.arithmetic(np.subtract, instruction, x)

    def do_multiply(self, instruction, kind, x):
        return self.arithmetic(np.multiply, instruction, x)

    def do_divide(self, instruction, kind, x):
        return self.arithmetic(np.divide, instruction, x)

    def do_fill_missing(self, instruction, kind, x):
        return np.where(np.isnan(x), x.dtype.type(instruction.numbers[0]), x)

    def do_fill_equal(self, instruction, kind, x):
        match, fill = (x.dtype.type(number) for number in instruction.numbers)
        return np.where(np.isnan(x) if np.isnan(match) else x == match, fill, x)

    def do_fill_text(self, instruction, kind, x):
        fill, match = self.texts(instruction.integers)
        return np.array([fill if one == match else one for one in x] + [None], object)[:-1]

    def do_is_missing(self, instruction, kind, x):
        if x.dtype == object:
            return np.array([one is None for one in x], bool).astype(DTYPES[kind])
        return (np.isnan(x) if x.dtype.kind == "f" else x == NO_TIME).astype(DTYPES[kind])

    def do_is_equal(self, instruction, kind, x):
        if x.dtype == object:
            (text,) = self.texts(instruction.integers)
            return np.array([one == text for one in x], bool).astype(DTYPES[kind])
        return (x == x.dtype.type(instruction.numbers[0])).astype(DTYPES[kind])

    def texts(self, integers):
        return [self.lowered.texts[at] if at >= 0 else None for at in integers]

    def do_clip(self, instruction, kind, x):
        low, high = (x.dtype.type(number) for number in instruction.numbers)
        return np.clip(x, low, high)

    def do_unary(self, instruction, kind, x):
        name = UNARIES[instruction.integers[0]]
        return x.copy() if name == "identity" else getattr(np, name)(x)

    def do_box_cox(self, instruction, kind, x):
        parameter = self.parameter(instruction, x)
        return special.boxcox(x, parameter).astype(x.dtype)

    def do_yeo_johnson(self, instruction, kind, x):
        return stats.yeojohnson(x, self.parameter(instruction, x)).astype(x.dtype)

    def parameter(self, instruction, x):
        number = np.float64(instruction.numbers[0])
        return number if instruction.wide else number.astype(x.dtype)

    def do_quantile(self, instruction, kind, x):
        n, normal = instruction.integers
        quantiles, references = np.split(np.array(instruction.numbers), [n])
        if normal:
            below, above = x - x.dtype.type(1e-7) < quantiles[0], x + x.dtype.type(1e-7) > quantiles[-1]
        else:
            below, above = x == quantiles[0], x == quantiles[-1]
        result = x.copy()
        there = ~np.isnan(x)
        wide = x[there].astype(np.float64)
        result[there] = 0.5 * (
            np.interp(wide, quantiles, references) - np.interp(-wide, -quantiles[::-1], -references[::-1])
        )
        result[above] = 1
        result[below] = 0
        if normal:
            result = stats.norm.ppf(result)
            ends = stats.norm.ppf(1e-7 - np.spacing(1)), stats.norm.ppf(1 - (1e-7 - np.spacing(1)))
            result = np.clip(result, *ends)
        return result.astype(x.dtype)

    def do_bin(self, instruction, kind, x):
        bins = np.searchsorted(np.array(instruction.numbers), x.astype(np.float64), side="right")
        return np.where(np.isnan(x), NO_CODE, bins).astype(np.int32)

    def do_gather(self, instruction, kind, code):
        numbers = np.array(instruction.numbers)
        return np.where(code == NO_CODE, np.nan, numbers[code]).astype(DTYPES[kind])

    def do_equals_code(self, instruction, kind, code):
        return (code == instruction.integers[0]).astype(DTYPES[kind])

    def angle(self, instruction, x):
        period, origin = instruction.numbers
        return 2 * np.pi * (x - origin) / period

    def do_cyclic_sin(self, instruction, kind, x):
        return np.sin(self.angle(instruction, x))

    def do_cyclic_cos(self, instruction, kind, x):
        return np.cos(self.angle(instruction, x))

    def do_date_part(self, instruction, kind, x):
        part, unit = DATE_PARTS[instruction.integers[0]], TIME_UNITS[instruction.integers[1]]
        parts = [np.nan if one == NO_TIME else date_part(int(one), unit, part) for one in x]
        return np.array(parts, DTYPES[kind])

    # Several registers.

    def do_multiply_by(self, instruction, kind, x, y):
        return x * y

    def do_normalize(self, instruction, kind, *columns):
        matrix = np.stack(columns, axis=1)
        norms = {
            1: lambda: np.abs(matrix).sum(axis=1),
            2: lambda: np.sqrt(np.einsum("ij,ij->i", matrix, matrix)),
            0: lambda: np.abs(matrix).max(axis=1),
        }[instruction.integers[0]]()
        norms[norms < 10 * np.finfo(matrix.dtype).eps] = 1
        return list((matrix / norms[:, None]).T)

    def do_project(self, instruction, kind, *columns):
        k, m = len(columns), instruction.integers[0]
        numbers = np.array(instruction.numbers)
        matrix, subtract, divide = (
            numbers[: m * k].reshape(m, k),
            numbers[m * k : m * k + m],
            numbers[m * k + m :],
        )
        results = []
        for i in range(m):
            total = np.zeros(self.rows)
            for j in range(k):
                total += matrix[i, j] * columns[j].astype(np.float64)
            results.append(((total - subtract[i]) / divide[i]).astype(DTYPES[kind]))
        return results

    def hashes(self, instruction, columns):
        seed = instruction.integers[1] % 2**64
        return [hash_row(row, seed) for row in zip(*columns, strict=True)]

    def do_hash(self, instruction, kind, *columns):
        buckets = instruction.integers[0]
        return np.array([one % buckets for one in self.hashes(instruction, columns)], np.int32)

    def do_hash_sign(self, instruction, kind, *columns):
        signs = [-1 if one >> 63 else 1 for one in self.hashes(instruction, columns)]
        return np.array(signs, DTYPES[kind])

    def do_expression(self, instruction, kind, *columns):
        import ctypes

        double_p = ctypes.POINTER(ctypes.c_double)
        function = ctypes.CFUNCTYPE(None, ctypes.POINTER(double_p), double_p, ctypes.c_int64)
        columns = [np.ascontiguousarray(one) for one in columns]
        result = np.empty(self.rows)
        pointers = (double_p * max(1, len(columns)))(*(one.ctypes.data_as(double_p) for one in columns))
        function(instruction.integers[0])(pointers, result.ctypes.data_as(double_p), self.rows)
        return result

    # Out of registers.

    def do_store(self, instruction, kind, *columns):
        output, first = instruction.integers
        for i, column in enumerate(columns):
            into = self.outputs[output]
            assert (into[:, first + i] == -77).all(), "stored twice"
            if into.dtype.kind == "i":
                # What does not fit becomes the lowest number.
                low = np.iinfo(into.dtype).min
                fits = (column > float(low) - 1) & (column < -float(low)) | (column == low)
                column = np.where(fits, np.where(fits, column, 0).astype(np.int64), low)
            if into.dtype.kind == "f" and column.dtype == np.int64:
                column = np.where(column == NO_TIME, np.nan, column.astype(into.dtype))
            into[:, first + i] = column

    def do_store_one_hot(self, instruction, kind, code):
        output, first, width = instruction.integers
        into = self.outputs[output][:, first : first + width]
        into[:] = instruction.numbers[1]
        there = code >= 0
        into[np.nonzero(there)[0], code[there]] = instruction.numbers[0]


def plain(array):
    """Numbers of an Arrow array, anything where it is null, and where it is not."""
    valid = np.asarray(array.is_valid())
    if pa.types.is_date32(array.type):
        array = array.cast(pa.int32())
    elif pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    elif pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    return np.asarray(pc.fill_null(array, 0)), valid


def date_part(time, unit, part):
    """Part of a time, through Python's calendar."""
    days, of_day = time, 0
    if unit != "D":
        seconds = time // UNITS_OF_SECOND[unit]
        if part == "epoch_seconds":
            return seconds
        days, of_day = divmod(seconds, 86400)
    if part == "epoch_seconds":
        return days * 86400
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days)
    return {
        "year": date.year,
        "quarter": (date.month + 2) // 3,
        "month": date.month,
        "day": date.day,
        "day_of_week": date.weekday(),
        "day_of_year": date.timetuple().tm_yday,
        "week": date.isocalendar().week,
        "hour": of_day // 3600,
        "minute": of_day // 60 % 60,
        "second": of_day % 60,
        "is_weekend": int(date.weekday() >= 5),
        "epoch_days": days,
    }[part]


def hash_row(row, seed):
    """Hash of csrc/transform/hash.h."""
    for value in row:
        seed = xxh64(hashed_bytes(value), seed)
    return seed


def hashed_bytes(value):
    if value is None or value != value or value == NO_TIME:
        return b"\xff"
    if isinstance(value, str):
        return value.encode()
    number = value.item()
    if isinstance(number, int) or (number.is_integer() and -(2**63) <= number < 2**63):
        return struct.pack("<q", int(number))
    return struct.pack("<d", number)


PRIMES = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
WORD = 2**64 - 1


def xxh64(data, seed):
    """XXH64 as its specification has it."""
    p1, p2, p3, p4, p5 = PRIMES

    def rotate(x, bits):
        x &= WORD
        return (x << bits | x >> (64 - bits)) & WORD

    def mixed(lane, word):
        return rotate(lane + word * p2, 31) * p1 & WORD

    at, size = 0, len(data)
    value = seed + p5
    if size >= 32:
        lanes = [seed + p1 + p2, seed + p2, seed, seed - p1]
        while size - at >= 32:
            words = struct.unpack_from("<4Q", data, at)
            lanes = [mixed(lane, word) for lane, word in zip(lanes, words, strict=True)]
            at += 32
        value = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            value = (value ^ mixed(0, lane)) * p1 + p4 & WORD
    value = value + size & WORD
    while size - at >= 8:
        (word,) = struct.unpack_from("<Q", data, at)
        value = rotate(value ^ mixed(0, word), 27) * p1 + p4 & WORD
        at += 8
    if size - at >= 4:
        (word,) = struct.unpack_from("<I", data, at)
        value = rotate(value ^ word * p1 & WORD, 23) * p2 + p3 & WORD
        at += 4
    for byte in data[at:]:
        value = rotate(value ^ byte * p5 & WORD, 11) * p1 & WORD
    value = (value ^ value >> 33) * p2 & WORD
    value = (value ^ value >> 29) * p3 & WORD
    return value ^ value >> 32
