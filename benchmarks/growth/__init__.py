"""Grows one thing at a time: where a guard's cost follows the size of what it is given."""
