"""The local network: validators with stores and keys of their own, for development and tests.

Nothing in production needs this layer.
"""
