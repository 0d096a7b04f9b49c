"""Publishes: a page with drawings from a stored run."""
