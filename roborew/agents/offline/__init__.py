"""Learning from demonstrations alone, good and bad ones: whose moves are worth repeating."""
