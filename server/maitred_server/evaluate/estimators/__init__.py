"""Estimators of a policy's value: the mean reward of a decision, all its slots together. One family a file."""
