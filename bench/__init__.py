"""Benchmarks: each prints its figures with method and machine. `make bench` runs all."""
