"""Catenula: an independent implementation, in Python, of the Linera protocol (line 0.15).

This module must stay free of imports: ``catenula --help`` pays for every one of them.
"""

__version__ = "0.1.0"
