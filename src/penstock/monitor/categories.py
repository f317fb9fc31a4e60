"""Categories of a reference: counted exactly while they are few enough, in bounded memory whatever comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.monitor import distinct, frequent
from penstock.monitor._accumulator import Accumulator
from penstock.monitor.profile import FeatureProfile
from penstock.transform._columns import Binder

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CategoryCounter"]

_COUNTED_AT_LEAST = 65_536
_LONGEST_BYTES = 1024


class CategoryCounter:
    """Counts the texts of one column of a reference.

    Parameters
    ----------
    name : str
    categories : int
        How many to keep: the most frequent.

    Notes
    -----
    So many texts as ``8 * categories``, at least 65,536, are counted exactly. Texts that come when there are
    so many already, and those that are longer than 1 kB or not UTF-8, are no categories: they are unseen in
    the baseline too.
    """

    def __init__(self, name: str, categories: int) -> None:
        self._name = name
        self._categories = categories
        self._most = max(_COUNTED_AT_LEAST, 8 * categories)
        self._counts: dict[str, int] = {}
        self._rows = self._missing = 0
        self._others = Accumulator([FeatureProfile(name=name, kind="categorical")])
        self._binder = Binder([name], ["string"])

    def update(self, column: pa.ChunkedArray) -> None:
        """Count all rows of a column of text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self._rows += len(column)
        self._missing += column.null_count
        others: list[tuple[bytes, int]] = []
        for chunk in column.chunks:
            plain = chunk.dictionary_decode() if pa.types.is_dictionary(chunk.type) else chunk
            if pa.types.is_dictionary(chunk.type):
                self._missing += plain.null_count - chunk.null_count
            counted = pc.value_counts(plain.drop_null().cast(pa.large_binary()))
            texts, counts = counted.field("values"), counted.field("counts").to_pylist()
            for text, count in zip(texts.to_pylist(), counts, strict=True):
                key = _category(text)
                if key is not None and (key in self._counts or len(self._counts) < self._most):
                    self._counts[key] = self._counts.get(key, 0) + count
                else:
                    others.append((text, count))
        self._count_others(others)

    def _count_others(self, others: list[tuple[bytes, int]]) -> None:
        import pyarrow as pa

        if not others:
            return
        texts = pa.array([text for text, _ in others], pa.large_binary())
        codes = np.repeat(np.arange(len(others), dtype=np.int64), [count for _, count in others])
        self._others.update(
            self._binder.bind_mapping({self._name: pa.DictionaryArray.from_arrays(codes, texts)})
        )

    def profile(self, type_name: str, **role: Any) -> FeatureProfile:
        """Return the profile of all that was counted."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        kept = dict(sorted(ranked[: self._categories]))
        dropped = tuple(ranked[self._categories :])
        _, (others,) = self._others.counts()
        registers = others["registers"]
        if dropped:
            registers = distinct.join(registers, self._registers([text for text, _ in dropped]))
        return FeatureProfile(
            name=self._name,
            kind="categorical",
            type=type_name,
            **role,
            rows=self._rows,
            missing=self._missing,
            categories=tuple(kept),
            counts=np.array(list(kept.values()), dtype=np.int64),
            unseen=others["unseen"] + sum(count for _, count in dropped),
            unseen_top=frequent.join(dropped, others["unseen_top"]),
            distinct=len(kept) + distinct.estimate(registers),
            registers=registers,
        )

    def _registers(self, texts: list[str]) -> bytes:
        accumulator = Accumulator([FeatureProfile(name=self._name, kind="categorical")])
        accumulator.update(self._binder.bind_mapping({self._name: texts}))
        _, (counted,) = accumulator.counts()
        return bytes(counted["registers"])


def _category(text: bytes) -> str | None:
    if len(text) > _LONGEST_BYTES:
        return None
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None
