"""Tests of `catenula.execution.wasm`: one behaviour of spec 04 per test."""
