"""Statistics: numbers in, estimates out. It knows no trial, no metric, no unit and no data frame.

Units of inference are rows of an array; what is repeated inside a unit arrives already averaged, or as sums and sizes per
unit (``ClusterSums``). scipy does what scipy has; own code exists only where the paired, clustered, vectorised form does
not, and names its source. scipy is imported where it is used: it costs 0.7 s, and nobody should pay that for reading a
value class.
"""
