"""What becomes of damaged films, pictures and tables: a typed error or all of it, never a shorter
film, a hang or a crash."""
