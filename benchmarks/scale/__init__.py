"""What grows as a shop grows: time, memory, and what approximate search gives back for it."""
