"""A reward model behind HTTP; `roborew.rewards.remote` asks it."""
