"""A sentence as the mean of a BERT's vectors of its words: MiniLM, as ReWiND reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModel, AutoTokenizer

from roborew.encoders.embedder import too_long
from roborew.errors import CorruptFileError
from roborew.types import FloatArray
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import check_file, check_finite, check_names, local_file
from roborew.weights.folder import explain, vetted_folder
from roborew.weights.hub import hub_folder

WEIGHTS = "model.safetensors"
COUNTS = "embeddings.position_ids"
"""Numbers that earlier releases of transformers wrote beside the weights."""
OPTIONS: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


class MeanOfWords:
    """Sentences to vectors (D,), not normalized.

    Args:
        model: folder or hub id of a BERT, such as MiniLM.

    Raises:
        RoborewError: it is not here, not whole, or no BERT.
    """

    def __init__(self, model: str) -> None:
        folder = Path(model).expanduser()
        if not folder.is_dir():
            folder = hub_folder(model, [WEIGHTS], None)
        file = local_file(str(folder / WEIGHTS))
        with (
            NetworkBudget(check_file(file).values(), file),
            vetted_folder(folder) as vetted,
            explain(f"{model}: a BERT"),
        ):
            self._tokenizer: Any = cast(Any, AutoTokenizer).from_pretrained(vetted, **OPTIONS)
            self._network, report = cast(Any, AutoModel).from_pretrained(
                vetted,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **OPTIONS,
            )
        extra = [name for name in report["unexpected_keys"] if name != COUNTS]
        changed = [str(name) for name, *_ in report["mismatched_keys"]]
        check_names(file, report["missing_keys"], extra, changed)
        check_finite(file, self._network.state_dict())
        self._network.eval()
        self._context = int(self._network.config.max_position_embeddings)

    @torch.inference_mode()
    def __call__(self, sentence: str) -> FloatArray:
        """The vector of a sentence.

        Raises:
            InvalidInputError: the model would read only its beginning.
            CorruptFileError: the tokenizer gives no words.
        """
        tokens: list[int] = self._tokenizer(sentence, truncation=False)["input_ids"]
        if len(tokens) > self._context:
            raise too_long(sentence, self._context)
        if not tokens:
            raise CorruptFileError("rewind: the tokenizer of the sentences' model has no words.")
        states = self._network(input_ids=torch.tensor([tokens])).last_hidden_state
        return cast("FloatArray", states[0].mean(0).float().numpy())
