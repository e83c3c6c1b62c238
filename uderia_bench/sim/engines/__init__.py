"""Engines of the four profile types, and the parts they share."""
