"""`python -m salus`: the same as the program `salus`."""

from salus.cli import main

if __name__ == "__main__":
    main()
