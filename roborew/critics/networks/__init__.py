"""Networks that several objectives share."""
