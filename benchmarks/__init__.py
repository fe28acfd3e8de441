"""Ours beside what a user would pick instead: `python -m benchmarks [NAME...]`.

    timing     contenders take turns in one process; medians, ratios, the machine
    steps      the NumPy assignments against their lessons
    networks   convolutional networks against Keras's fit and predict, and PyTorch
    sequences  recurrent networks and the Transformer against the same
    mirror     a Keras model as the same network in PyTorch
    eager      PyTorch's networks that `mirror` cannot draw
    start      how long commands take, and what they import
    memory     what is promised about memory
    growth     time and memory against the size of the problem
    gpu        what is asked of steps on a GPU, `--device gpu`

`--results benchmarks/RESULTS.md` writes what a quiet machine gave as a page.
"""
