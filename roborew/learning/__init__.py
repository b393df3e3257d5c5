"""What everything that is fitted to demonstrations shares: examples, sampling, labels,
instructions."""
