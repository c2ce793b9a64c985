"""What a filtered question costs in each store, and what it misses."""
