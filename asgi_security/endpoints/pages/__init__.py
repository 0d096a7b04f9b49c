"""Plain pages for accounts: HTML and one stylesheet, without script.

They work under `SecurityHeadersConfig.strict()`. Apps that have pages of their own need none of it.
"""
