"""The REST routes of the embedded Uderia: one module a group of routes."""
