"""What becomes of damaged videos: a typed error or every frame, never a shorter video, a hang or a
crash."""
