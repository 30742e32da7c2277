"""Commands on the wallet (spec 08 §1.4)."""
