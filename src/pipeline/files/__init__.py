"""Atomic writes and digests of files."""
