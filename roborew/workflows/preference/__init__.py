"""A judge teaches the reward of a run: `--reward preference` (RL-VLM-F, arXiv:2402.03681).

    agent --> episodes --> pairs --> judge --> labels --> critic --> pays the agent, and again

<run>/preferences/manifest.jsonl      all episodes so far: a set that `roborew fit` reads
<run>/preferences/round-1/            the agent's episodes of a round; what the simulator says of them
                                      stands beside them, as true_progress and true_success, and is
                                      read by nobody here
<run>/preferences/preferences.jsonl   what the judge said of pairs of their frames
<run>/preferences/answers.jsonl       every answer of the judge, so that none is asked for twice
<run>/critic-1/                       fitted to all labels so far; pays the agent from there on
"""
