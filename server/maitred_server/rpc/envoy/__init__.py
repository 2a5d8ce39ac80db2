"""The Envoy front: the same handlers in Python that runs inside Envoy.

`bootstrap` says how Envoy is started. In it, `rpc.envoy_front` is the application: `framed` answers the calls that must
be fast, `connected` all others.
"""
