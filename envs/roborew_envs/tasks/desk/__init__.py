"""An arm at a desk with a drawer."""
