"""Fitting, calibrating and exporting a model, and the model directory."""
