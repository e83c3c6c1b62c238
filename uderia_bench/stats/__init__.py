"""Statistical estimates from arrays of numbers, independent of trials, metrics and data frames.

Units of inference are rows of an array. Repeats inside a unit arrive already averaged, or as sums and
sizes per unit (``ClusterSums``). The code uses scipy where it can. It adds its own methods only where scipy
lacks the paired, clustered, vectorised form, and names their source. scipy is imported inside functions,
because its import takes 0.7 s and the value classes do not need it.
"""
