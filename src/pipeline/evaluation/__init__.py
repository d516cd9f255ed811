"""Metrics with intervals, by slice, and the importance of each column."""
