"""Hold anybody's part to the laws of its kind: the contract tests, as functions.

>>> from roborew.checks import check_reward
>>> from roborew.rewards.mini import Mini
>>> {outcome.verdict for outcome in check_reward(Mini())} <= {"kept", "skipped"}
True
"""

from roborew.checks.agent import check_agent
from roborew.checks.critic import check_critic
from roborew.checks.encoder import check_encoder
from roborew.checks.judge import check_judge
from roborew.checks.laws import Law, LawBook, Outcome
from roborew.checks.reward import check_reward
from roborew.checks.task import check_task

__all__ = [
    "Law",
    "LawBook",
    "Outcome",
    "check_agent",
    "check_critic",
    "check_encoder",
    "check_judge",
    "check_reward",
    "check_task",
]
