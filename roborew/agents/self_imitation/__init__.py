"""A clone that goes on learning from its own best episodes."""
