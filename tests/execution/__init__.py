"""Tests of `catenula.execution`: one behaviour of spec 02 or 03 per test."""
