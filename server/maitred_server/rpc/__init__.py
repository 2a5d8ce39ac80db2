"""The wire: what requests mean, what answers look like, who may call, and the fronts that carry it."""
