"""Who subjects are and which arms they are in."""
