"""`python -m rustfits_cli` is the command `rustfits`."""

from rustfits_cli.main import main

if __name__ == "__main__":
    main(prog_name="rustfits")
