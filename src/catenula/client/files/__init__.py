"""The files of a wallet in the reference's forms: wallet, key store, genesis (spec 07 §14).

They are the exchange form: what another tool wrote is read as it is, and what is written here any
other tool reads. Writes are atomic and durable, and merged under a lock on a separate file.
"""
