"""Other policies on the journal: each decision made again as of its sequence, over all its candidates."""
