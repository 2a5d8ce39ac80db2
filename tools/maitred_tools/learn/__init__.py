"""Bandit benchmarks of the learning core, beside other people's learners."""
