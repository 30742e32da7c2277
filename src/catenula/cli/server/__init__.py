"""Commands for operators of validators (spec 06 §8)."""
