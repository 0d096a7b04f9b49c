"""Remembers: typed protocols in `protocols.py`, and one folder for each backend."""
