"""Real histories with exact answers, replayed through the API and held against them to the row.

`make reference` runs them all and prints a line for each; `tests/reference` runs those whose data lies beside it.
"""
