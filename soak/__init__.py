"""Long runs of what the tests do shortly: ``python -m soak differential --seconds 600``."""
