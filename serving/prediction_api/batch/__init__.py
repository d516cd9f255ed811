"""Predicting a whole file from the command line."""
