"""Statistical estimates from arrays of numbers, independent of trials, metrics and data frames.

``difference`` chooses the test of paired differences, and ``inference`` has what all tests share. ``mean``, ``percentile`` and
``proportion`` are of one arm. ``sequential`` and ``stopped`` are for interim looks, ``design`` and ``sample_size`` for plans.

Units of inference are rows of an array. Repeats inside a unit arrive already averaged, or as sums with the size of each
unit. The code uses scipy where it can. It adds its own methods only where scipy lacks the paired, clustered,
vectorised form, and names their source. scipy is imported inside functions, because its import takes 0.7 s and the
value classes do not need it.
"""
