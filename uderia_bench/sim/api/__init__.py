"""REST routes of the embedded Uderia, one module per group of routes."""
