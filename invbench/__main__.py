"""``python -m invbench``."""

from invbench.cli.main import main

if __name__ == "__main__":
    main()
