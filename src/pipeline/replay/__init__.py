"""Replays the test period against the running services: its events, or its rows where the recipe has no events."""
