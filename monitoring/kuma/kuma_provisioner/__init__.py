"""Brings Uptime Kuma to the state that two YAML files declare."""
