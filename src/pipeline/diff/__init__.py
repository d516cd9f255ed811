"""Compares a change with its base: parameters, data, metrics, and whether conf/gate.yaml tolerates the difference."""
