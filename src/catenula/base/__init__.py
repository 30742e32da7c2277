"""The byte-level foundation: integers, identifiers, hashing, keys, codecs, limits and errors.

This layer does no I/O and does not know what a block is.
"""
