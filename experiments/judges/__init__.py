"""What a judge teaches, and how fast it can be asked."""
