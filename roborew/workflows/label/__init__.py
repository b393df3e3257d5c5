"""Somebody says which of two pieces of film is better: `roborew label SET`. A person on a page of this
machine, or a vision-language model, which is shown pictures.

<set>/pairs.jsonl         pairs that somebody waits for, such as a run with ``--judge person``
<set>/preferences.jsonl   what was said, see `roborew.data.preferences`
<set>/answers.jsonl       every answer of a judge, so that none is asked for twice
"""
