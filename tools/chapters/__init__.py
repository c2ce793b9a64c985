"""Makes the notebooks from the chapters' sources; see notebooks/src/README.md for what stands in a source."""
