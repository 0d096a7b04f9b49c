"""Serves: mountable Starlette routers, one per word; each endpoint a thin shell over its flow."""
