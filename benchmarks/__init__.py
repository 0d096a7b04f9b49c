"""Compares: what each guard adds to a request, beside what real peers add to the same request."""
