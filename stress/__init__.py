"""Faults on purpose: the service as real processes on real servers that are killed, frozen, emptied and brought back.

`make stress` runs them all and prints what was measured beside what it should be; `tests/faults` runs a small slice of each.
"""
