"""Replays the test months against the running services."""
