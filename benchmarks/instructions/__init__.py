"""Counts: processor instructions for one request, which no other program on the machine changes."""
