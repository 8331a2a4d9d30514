"""Ways to rate the two works of ``benchmarks.workloads``: ours, others' as their own users would tune them, and the floors.

A module a library; ``three_blocks`` (W1) and ``quota`` (W2) give its ways over prepared data. Data lie ready in the library's own
form, the result is in its own form, and the first 200,000 rows of it are held against the exact amounts.
"""
