"""Files that survive: atomic writes, checkpoints, run directories."""
