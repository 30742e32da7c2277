"""Commands on chains and tokens (spec 08 §1.2)."""
