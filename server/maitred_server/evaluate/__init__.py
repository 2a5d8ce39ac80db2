"""Off-policy evaluation: what another policy would have earned, told from a log with action probabilities."""
