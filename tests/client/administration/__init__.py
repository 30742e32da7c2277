"""Tests of what operators of a network ask and change."""
