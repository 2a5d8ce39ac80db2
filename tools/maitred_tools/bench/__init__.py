"""The server measured beside an echo server that does nothing, in one run: `python -m maitred_tools.bench`."""
