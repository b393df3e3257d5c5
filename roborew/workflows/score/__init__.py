"""Videos through reward models: curves on disk as JSON lines, a progress table, a plot and a
video."""

from roborew.workflows.score.finding import Found, find_sources
from roborew.workflows.score.scoring import (
    ScoredVideo,
    check_output_names,
    describe_flat,
    describe_judge_cost,
    describe_mismatch,
    resolve_instruction,
    sample_source,
    sample_video,
    score_source,
    score_video,
    scored_video,
)
from roborew.workflows.score.sources import (
    EpisodeSource,
    FilmSource,
    SampledVideo,
    Source,
)
from roborew.workflows.score.states import check_states, sampled_clip
from roborew.workflows.score.tables import (
    SUMMARY_HEADS,
    Outcome,
    datasets_of,
    is_bounded,
    is_kept,
    write_dataset_progress,
    write_dataset_weights,
    write_kept,
    write_progress_table,
    write_summary,
)
from roborew.workflows.score.writing import write_curve, write_plot, write_scored_video

__all__ = [
    "SUMMARY_HEADS",
    "EpisodeSource",
    "FilmSource",
    "Found",
    "Outcome",
    "SampledVideo",
    "ScoredVideo",
    "Source",
    "check_output_names",
    "check_states",
    "datasets_of",
    "describe_flat",
    "describe_judge_cost",
    "describe_mismatch",
    "find_sources",
    "is_bounded",
    "is_kept",
    "resolve_instruction",
    "sample_source",
    "sample_video",
    "sampled_clip",
    "score_source",
    "score_video",
    "scored_video",
    "write_curve",
    "write_dataset_progress",
    "write_dataset_weights",
    "write_kept",
    "write_plot",
    "write_progress_table",
    "write_scored_video",
    "write_summary",
]
