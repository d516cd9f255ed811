"""Grafana's dashboards of Ontime, written in Python; `python -m ontime_dashboards` writes them as JSON."""
