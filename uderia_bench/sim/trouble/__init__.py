"""What can go wrong on purpose: scheduled faults, their effects, and damage on the wire."""
