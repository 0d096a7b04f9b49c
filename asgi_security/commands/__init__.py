"""Advises: the commands that need more than a line, one module for each."""
