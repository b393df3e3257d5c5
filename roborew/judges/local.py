"""A vision-language model in this process, through the native classes of transformers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig
from transformers.video_utils import VideoMetadata

from roborew.errors import CorruptFileError, InvalidInputError, RoborewError, first_line
from roborew.judges.pretrained import load_pretrained
from roborew.judges.types import Answer, Part, Progress, Question
from roborew.types import Video
from roborew.weights.folder import explain

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class LocalJudge:
    """Answers greedily, in batches padded on the left, and knows the probability of every choice.

    Args:
        model: hub id or local folder of an image-text-to-text model, such as Qwen3-VL.
        revision: commit of a hub id; pin it, or the answers may change with the repository.
        sha256: that its weight file must have; of several files, that of what ``sha256sum
            model*.safetensors`` prints in its folder.
        device: of torch.
        dtype: "auto" is bfloat16 on CUDA and float32 elsewhere.
        batch_size: questions answered together.

    Raises:
        MissingBackendError: no such weights; the message says what to download and where to put it.
        CorruptFileError: the weights are damaged, or not exactly those of the model.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"batch": "batch_size"}

    def __init__(
        self,
        *,
        model: str,
        revision: str | None = None,
        sha256: str | None = None,
        device: str = "cpu",
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        batch_size: int = 8,
    ) -> None:
        if batch_size < 1:
            raise InvalidInputError(f"batch: expected at least 1; got {batch_size}.")
        if dtype == "auto":
            dtype = "bfloat16" if device.startswith("cuda") else "float32"
        network, self._processor, identity = load_pretrained(model, revision, DTYPES[dtype], sha256)
        self._model = network.to(device).eval()
        self._tokenizer = self._processor.tokenizer
        # Rounding changes answers, so stored answers of another number format are not this model's.
        self._identity = identity if dtype == "float32" else f"{identity}+{dtype}"
        self._dtype = DTYPES[dtype]
        self._batch_size = batch_size
        self.progress: Progress | None = None

    @property
    def identity(self) -> str:
        """``model@revision``, with the number format where it is not float32."""
        return self._identity

    @property
    def gives_probabilities(self) -> bool:
        """Always."""
        return True

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer every question.

        Raises:
            InvalidInputError: a text holds a special token of the model, or the model has no chat
                template.
            CorruptFileError: the settings of the model do not fit together.
        """
        answers: dict[int, Answer] = {}
        for places in self._batches(questions):
            batch = [questions[place] for place in places]
            try:
                batch_answers = self._answer_batch(batch)
            except RoborewError:
                raise
            # What its files say is read by transformers only now.
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                raise CorruptFileError(
                    f"{self._identity}: its settings do not fit together: {first_line(error)}"
                ) from error
            answers.update(zip(places, batch_answers, strict=True))
            if self.progress:
                self.progress(len(answers), len(questions))
        return [answers[place] for place in range(len(questions))]

    def _batches(self, questions: Sequence[Question]) -> Iterator[list[int]]:
        """Places of questions that can go through the model together."""
        alike: dict[object, list[int]] = {}
        for place, question in enumerate(questions):
            has_image = _has_kind(question, "image")
            has_video = _has_kind(question, "video")
            # One look answers a batch only where the choices and the kinds of media agree.
            key = (question.choices, question.max_tokens, has_image, has_video)
            alike.setdefault(key, []).append(place)
        for places in alike.values():
            for start in range(0, len(places), self._batch_size):
                yield places[start : start + self._batch_size]

    @torch.inference_mode()
    def _answer_batch(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions that share their choices and their length."""
        choices = questions[0].choices
        length = questions[0].max_tokens
        inputs = self._inputs(questions)
        tokens = [self._choice_tokens(choice) for choice in choices]
        # Choices of one token each are read off one look at the pictures.
        single = all(len(choice_tokens) == 1 for choice_tokens in tokens)
        texts: list[str | None] = [None] * len(questions)
        columns: list[Any] = []
        if length or single:
            replies, first = self._generate(inputs, max(length, 1))
            texts = [*replies] if length else texts
            columns = [first[:, token_ids[0]] for token_ids in tokens] if single else []
        if not single:
            columns = [self._continuation_log_prob(inputs, token_ids) for token_ids in tokens]
        by_choice = {
            choice: column.tolist() for choice, column in zip(choices, columns, strict=True)
        }
        return [
            Answer(
                text=text, log_probs={choice: column[row] for choice, column in by_choice.items()}
            )
            for row, text in enumerate(texts)
        ]

    def _generate(self, inputs: dict[str, Tensor], length: int) -> tuple[list[str], Tensor]:
        """Greedy replies of at most ``length`` tokens, and the log-probabilities (N, vocabulary) of
        their first."""
        first: list[Tensor] = []

        def keep_first(_: Tensor, logits: Tensor) -> Tensor:
            if not first:
                first.append(logits.log_softmax(-1))
            return logits

        own = self._model.generation_config
        end = own.eos_token_id if own.eos_token_id is not None else self._tokenizer.eos_token_id
        pad = self._tokenizer.pad_token_id
        # Not the model's own configuration, which may sample.
        config = GenerationConfig(
            max_new_tokens=length, do_sample=False, eos_token_id=end, pad_token_id=pad
        )
        tokens = self._model.generate(
            **inputs, generation_config=config, logits_processor=[keep_first]
        )
        prompt_length = inputs["input_ids"].shape[1]
        replies = self._tokenizer.batch_decode(tokens[:, prompt_length:], skip_special_tokens=True)
        return replies, first[0]

    def _continuation_log_prob(self, inputs: dict[str, Tensor], tokens: list[int]) -> Tensor:
        """Log-probability (N,) that each prompt goes on with exactly these tokens."""
        prompts = inputs["input_ids"]
        added = torch.tensor(tokens, device=prompts.device).expand(len(prompts), -1)
        longer: dict[str, Any] = dict(inputs)
        for name, value in inputs.items():
            if value.shape == prompts.shape:  # one entry a token: ids, mask, kinds of token
                more = (
                    added
                    if name == "input_ids"
                    else torch.full_like(added, name == "attention_mask")
                )
                longer[name] = torch.cat([value, more.to(value.dtype)], 1)
        last = len(tokens) + 1
        if "logits_to_keep" in inspect.signature(self._model.forward).parameters:
            # All logits of a long prompt are gigabytes; the last ones are enough.
            longer["logits_to_keep"] = last
        logits: Tensor = self._model(**longer).logits[:, -last:-1]
        log_probs = logits.float().log_softmax(-1)
        return log_probs.gather(2, added[:, :, None]).sum((1, 2))

    def _choice_tokens(self, choice: str) -> list[int]:
        return list(self._tokenizer(choice, add_special_tokens=False)["input_ids"])

    def _inputs(self, questions: Sequence[Question]) -> dict[str, Tensor]:
        """Tensors that the model takes, prompts padded on the left."""
        prompts = [self._prompt(question) for question in questions]
        begin = self._tokenizer.bos_token
        written = begin is not None and prompts[0].startswith(begin)  # by the chat template
        media: dict[str, Any] = {}
        if _has_kind(questions[0], "image"):
            media["images"] = [_media_of_kind(question, "image") for question in questions]
        if _has_kind(questions[0], "video"):
            videos: list[list[Any]] = []
            metadata: list[list[Any]] = []
            for question in questions:
                clips = [_at_least_two(video) for video in _media_of_kind(question, "video")]
                videos.append(clips)
                metadata.append([_video_metadata(clip, question.fps) for clip in clips])
            media["videos"] = videos
            media["video_metadata"] = metadata
            # The reward has chosen the frames; the processor must not thin them out again.
            media["do_sample_frames"] = False
        if media:
            media["input_data_format"] = "channels_last"
        features = self._processor(
            text=prompts,
            **media,
            padding=True,
            padding_side="left",  # so that every prompt ends where its answer begins
            add_special_tokens=not written,
            return_tensors="pt",
        )
        return dict(features.to(self._model.device, dtype=self._dtype))

    def _prompt(self, question: Question) -> str:
        """The question as one text with placeholders for its pictures."""
        texts = "\n".join(part for part in question.parts if isinstance(part, str))
        # A goal that holds one could end its own turn and speak for the judge.
        for token in self._tokenizer.all_special_tokens:
            if token in texts:
                raise InvalidInputError(
                    f"question: its text holds {token!r}, which is no text to {self._identity}."
                )
        if question.chat:
            content = [{"type": _part_kind(part), "text": part} for part in question.parts]
            return self._apply_chat_template(content, question.system)
        return self._turn_header() + "".join(
            part if isinstance(part, str) else self._placeholder(_part_kind(part))
            for part in question.parts
        )

    def _apply_chat_template(self, content: Sequence[Mapping[str, Any]], system: str = "") -> str:
        if not self._processor.chat_template:
            raise InvalidInputError(
                f"{self._identity} has no chat template, which says how it takes pictures and "
                f"turns."
            )
        turns: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if system:
            turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        with explain(f"{self._identity}: its chat template"):
            return self._processor.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )

    def _turn_header(self) -> str:
        """What the chat template writes before a user's turn: published scores of bare text keep
        it."""
        if not self._processor.chat_template:
            return ""
        turn = self._apply_chat_template([{"type": "text", "text": "BEFORE"}])
        return turn.partition("BEFORE")[0]

    def _placeholder(self, kind: str) -> str:
        """What stands for a picture or video in bare text: what the chat template writes for
        one."""
        before, after = {"type": "text", "text": "BEFORE"}, {"type": "text", "text": "AFTER"}
        match = re.search(
            "BEFORE(.+)AFTER", self._apply_chat_template([before, {"type": kind}, after]), re.DOTALL
        )
        if match is None:
            raise InvalidInputError(
                f"{self._identity} cannot take pictures in bare text: its template moves them."
            )
        return match[1]


def _part_kind(part: Part) -> str:
    if isinstance(part, str):
        return "text"
    return "image" if part.ndim == 3 else "video"


def _media_of_kind(question: Question, kind: str) -> list[Any]:
    """Pictures or videos of a question, as arrays that torch takes: it refuses views that run
    backwards."""
    return [
        np.ascontiguousarray(cast(Any, part)) for part in question.parts if _part_kind(part) == kind
    ]


def _has_kind(question: Question, kind: str) -> bool:
    return any(_part_kind(part) == kind for part in question.parts)


def _at_least_two(video: Any) -> Video:
    """A video of one frame repeats it: video encoders merge frames in pairs."""
    return np.repeat(video, 2, 0) if len(video) == 1 else video


def _video_metadata(video: Video, fps: float) -> VideoMetadata:
    return VideoMetadata(
        total_num_frames=len(video), fps=fps, frames_indices=list(range(len(video)))
    )
