"""The command line: one module per command, each a thin call into the layers below.

Commands are found through the table in `catenula.cli.main`; nothing is imported here.
"""
