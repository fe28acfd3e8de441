"""Benchmarks against what a user would use instead: `python -m benchmarks [NAME...]`.

    timing     implementations timed in turn in one process; medians, ratios, machine
    steps      the NumPy assignments against the lessons' plain code
    networks   convolutional networks against Keras's fit and predict, and PyTorch
    sequences  recurrent networks and the Transformer against the same
    mirror     a Keras model as the same network in PyTorch
    eager      the PyTorch networks that `mirror` cannot convert
    start      how long commands take
    memory     what is promised about memory
    growth     time and memory against the size of the problem
    gpu        checks of compiled steps on a GPU, `--device gpu`

`--results benchmarks/RESULTS.md` writes the results of a quiet machine as a page.
"""
