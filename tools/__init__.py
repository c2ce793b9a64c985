"""What builds and checks the course; learners never need it."""
