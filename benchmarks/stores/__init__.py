"""Fills the stores: what an operation costs beside a million keys, and what a key takes of room."""
