"""Tests against recorded data of the reference, and of the tools that read it."""
