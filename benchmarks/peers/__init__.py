"""Our methods beside public frameworks on the same questions: python -m benchmarks.peers."""
