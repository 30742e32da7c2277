"""``catenula conformance commands``: recorded commands played against a network of our own.

What a command prints and its exit status must be the recorded ones once ids, keys, times and ports
are mapped consistently.
"""

from catenula.conformance.commands.run import run_commands

__all__ = ["run_commands"]
