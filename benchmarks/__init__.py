"""Ours beside what a user would pick instead: `python -m benchmarks [NAME...]`.

    timing     contenders take turns in one process; medians, ratios, the machine
    lessons    the course's own way, as plain as its notebooks have it
    steps      the NumPy assignments against their lessons
    networks   compiled training and inference against Keras's fit and predict
    sequences  jazz and trigger words against the course's models
    start      how long commands take, and what they import

`--results benchmarks/RESULTS.md` writes what a quiet machine gave as a page.
"""
