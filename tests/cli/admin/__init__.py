"""Tests of operators' commands."""
