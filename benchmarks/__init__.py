"""What the stored scoreboards and the benchmarks are made by."""
