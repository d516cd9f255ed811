"""The settings of params.yaml as types, and where the stages read and write."""
