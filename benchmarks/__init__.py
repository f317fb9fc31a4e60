"""Benchmarks of Penstock; see README.md for the method."""
