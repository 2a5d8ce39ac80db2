"""Deciding: a pure reading of request, profile, catalogue, snapshots, clock and seed."""
