"""Tests of the files of a wallet."""
