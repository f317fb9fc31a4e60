"""Reference servers of the benchmarks: they answer each unary call with its own bytes."""
