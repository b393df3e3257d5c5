"""Many frames together: OpenGL contexts, threads, qualities, appearance."""
