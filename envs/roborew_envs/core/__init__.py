"""Tasks, vector environments, simulation and the validation of what they are given."""
