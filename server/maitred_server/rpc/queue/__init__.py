"""The grpcio front on gRPC's completion queue: one thread carries all calls, and answers those that do not wait.

It takes what grpcio's own servers in Python are built on (`grpc._cython.cygrpc`), which is not public: where a release
lacks any of it, `available` says so, and the front on grpcio's asyncio server takes its place.
"""
