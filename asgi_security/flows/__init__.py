"""Does: async use cases over the storage protocols. Has never heard of ASGI."""
