"""The Envoy front: the same handlers in Python that runs inside Envoy.

`bootstrap` says how Envoy is started, `front` is the application in it: `framed` answers the calls that must be fast,
`connected` all others, `health` tells how the server is.
"""
