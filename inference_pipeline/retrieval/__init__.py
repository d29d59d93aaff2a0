"""A question → the passages for its answer. Read retrieve.py first."""
