"""``python -m catenula`` is the ``catenula`` command."""

from catenula.cli.main import main

if __name__ == "__main__":
    main(prog_name="catenula")
