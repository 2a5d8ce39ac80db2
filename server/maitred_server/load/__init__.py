"""`maitred load`: the load tester. A client like any other: it knows the wire and nothing of the server's inside.

parsing, asked -> questions, arrivals -> generator (one process each) -> crew -> conductor -> measured -> watch, written
"""
