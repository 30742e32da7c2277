"""A validator: workers with their drivers, cross-chain delivery and notification fan-out.

Drivers are the only place where a node's writes become durable and its effects happen.
"""
