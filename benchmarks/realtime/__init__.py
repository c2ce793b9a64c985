"""From an event to a fresh list beside a bare durable append, and the memory of idle shoppers."""
