"""What is asked over HTTP: a reward model (`roborew.rewards.remote` asks it), and a person on the page of
`roborew label`."""
