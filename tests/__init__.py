"""Tests; the folders mirror ``src/catenula``."""
