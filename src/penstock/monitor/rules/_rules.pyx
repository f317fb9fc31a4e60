# distutils: language = c++
"""Compiled rules: csrc/monitor/rules/rule.h for Python; the contracts are in _rules.pyi."""

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

import numpy as np

from penstock.errors import SignatureError

from penstock.transform._columns cimport Columns, ColumnView, Layout

cnp.import_array()

cdef extern from "monitor/rules/rule.h" namespace "penstock" nogil:
    cdef cppclass RuleSettings:
        RuleSettings()
        cbool text
        cbool required
        double min
        double max
        cbool listed
        vector[double] numbers
        vector[string] texts
        size_t max_length

    cdef cppclass Breaches:
        int64_t first_row
        cbool any()

    cdef cppclass Rule:
        Rule(RuleSettings settings) except +
        Breaches check(const ColumnView& column, int64_t rows)

    size_t kBreachCount

cdef extern from *:
    """
    namespace penstock {
    inline int64_t breach_count(const Breaches& found, size_t i) { return found.counts[i]; }
    inline int first_breach(const Breaches& found) { return static_cast<int>(found.first); }
    }
    """
    int64_t breach_count "penstock::breach_count"(const Breaches& found, size_t i) nogil
    int first_breach "penstock::first_breach"(const Breaches& found) nogil

BREACHES = ("required", "min", "max", "allowed", "max_length")


cdef bint _is_text(const ColumnView& view) noexcept nogil:
    cdef Layout layout = view.layout if view.dictionary == NULL else view.dictionary.layout
    return layout >= Layout.kText32 and layout <= Layout.kTextRefs


@cython.final
cdef class RuleSet:
    """The rules of some columns."""

    cdef vector[unique_ptr[Rule]] rules
    cdef vector[cbool] texts

    def __init__(self, rules):
        cdef RuleSettings settings
        for rule in rules:
            settings = RuleSettings()
            settings.text = rule["text"]
            settings.required = rule["required"]
            if rule["min"] is not None:
                settings.min = rule["min"]
            if rule["max"] is not None:
                settings.max = rule["max"]
            if rule["allowed"] is not None:
                settings.listed = True
                if settings.text:
                    settings.texts = [text.encode("utf-8", "surrogatepass") for text in rule["allowed"]]
                else:
                    settings.numbers = rule["allowed"]
            if rule["max_length"] is not None:
                settings.max_length = rule["max_length"]
            self.rules.push_back(unique_ptr[Rule](new Rule(settings)))
            self.texts.push_back(settings.text)

    def __len__(self):
        return self.rules.size()

    def check(self, Columns columns not None):
        """Return how many rows break what, and where the first is."""
        cdef size_t i, breach, count = self.rules.size()
        cdef Breaches found
        cdef int64_t rows = columns.rows
        if columns.views.size() != count:
            raise SignatureError(f"expected {count} columns, got {columns.views.size()}")
        for i in range(count):
            if rows > 0 and _is_text(columns.views[i]) != self.texts[i]:
                raise SignatureError(f"column {i}: expected {'text' if self.texts[i] else 'numbers'}")
        cdef cnp.ndarray table = np.zeros((count, kBreachCount), np.int64)
        cdef int64_t* counts = <int64_t*>cnp.PyArray_DATA(table)
        cdef int64_t column = -1, row = -1
        cdef int first = 0
        with nogil:
            for i in range(count):
                found = self.rules[i].get().check(columns.views[i], rows)
                if not found.any():
                    continue
                for breach in range(kBreachCount):
                    counts[i * kBreachCount + breach] = breach_count(found, breach)
                if column < 0:
                    column, row, first = <int64_t>i, found.first_row, first_breach(found)
        return table, None if column < 0 else (column, row, BREACHES[first])
