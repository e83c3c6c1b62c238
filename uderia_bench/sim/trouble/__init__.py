"""Planted faults of the agent, the server and the network, and planted effects."""
