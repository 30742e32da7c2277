"""Ways to reach a validator: the interface, its in-process form, and the wire messages.

This layer decides nothing about the protocol.
"""
