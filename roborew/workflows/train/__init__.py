"""Train an agent on a learned reward: the loop, its configuration and its logs."""
