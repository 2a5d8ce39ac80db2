"""`python -m maitred_server` is `maitred`."""

from maitred_server.cli import main

if __name__ == "__main__":
    main()
