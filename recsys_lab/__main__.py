"""`python -m recsys_lab`."""

from recsys_lab.cli import main

if __name__ == "__main__":
    main()
