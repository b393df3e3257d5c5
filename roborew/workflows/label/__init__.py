"""A person says which of two films is better: `roborew label SET`, a page on this machine.

<set>/pairs.jsonl         pairs that somebody waits for, such as a run with ``--judge person``
<set>/preferences.jsonl   what was said, see `roborew.data.preferences`
"""
