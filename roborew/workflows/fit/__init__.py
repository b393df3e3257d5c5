"""From demonstrations to a critic with its card: embedded, split, fitted, calibrated, judged beside
its nulls.

What is not as it should be ends in one error before anything is written, or follows a rule:

| demonstrations | what happens |
|---|---|
| none; two of one name; of one or two frames | error |
| a video that is missing, damaged, or has other frames than promised | error |
| videos of another size or rate than the same camera's elsewhere in the set, or than the other cameras' rate | error |
| pictures of several cameras in other sizes | each is read at the size of the first |
| key frames, or stages, out of order, overlapping or outside the video | error |
| success said twice and differently; a success that ends below 0.1 of progress; a failure that ends at 1 | error |
| progress as well as key frames | progress counts |
| all frames alike while progress changes, or in a success whose progress is not known | error |
| no success, and no progress that changes | error |
| no success, but progress | an error of critics that learn from successes only |
| no failure | an error of `adversarial` |
| fewer than five of a kind | all of them are fitted; if so of each kind, nothing is calibrated, and the card says so |

A fitted critic scores clips of one frame, of frames alike and of any size; of several cameras, see
`side_by_side`.
"""

from roborew.workflows.fit.config import FitConfig
from roborew.workflows.fit.embed import EmbeddedDemonstrations, embed_demonstrations
from roborew.workflows.fit.fit import Fitted, fit_critic, fit_objective

__all__ = [
    "EmbeddedDemonstrations",
    "FitConfig",
    "Fitted",
    "embed_demonstrations",
    "fit_critic",
    "fit_objective",
]
