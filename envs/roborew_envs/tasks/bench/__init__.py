"""An arm at a workbench."""
