"""Commands of operators: local networks, validators, committees, storage, the faucet (08 §1.5)."""
