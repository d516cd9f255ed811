"""Versions of the model in the MLflow registry: promote, roll back, history."""
