"""What objectives draw from episodes: pairs of frames, of windows, preferences, subtasks."""
