"""What a stranger may put into a folder of weights to run code, or to reach files outside of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Attack = Callable[[Path, Path], None]
"""Changes a folder of weights; the second path is a folder outside, where ``canary`` must not
appear and nothing may change."""
CODE_FILES = (
    "evil.py",
    "modeling_evil.py",
    "hubconf.py",
    "sitecustomize.py",
    "torch.py",
    "setup.py",
)
PICKLES = (
    "pytorch_model.bin",
    "model.pt",
    "open_clip_pytorch_model.bin",
    "training_args.bin",
    "vocab.pkl",
    "adapter_model.bin",
    "tokenizer.pkl",
)
CLASSES = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor", "AutoImageProcessor")
AUTO_MAP = {
    **dict.fromkeys(CLASSES, "evil.Evil"),
    "AutoModelForImageTextToText": "evil.Evil",
    "AutoTokenizer": ["evil.Evil", "evil.Evil"],
}


TRUST = {"trust_remote_code": True}


def edit(folder: Path, name: str, settings: Mapping[str, Any], *places: str) -> None:
    """Set what is at places of a JSON file, which is made if absent."""
    file = folder / name
    content: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    part = content
    for place in places:
        part = part.setdefault(place, {})
    part |= settings
    file.write_text(json.dumps(content))


def plant(folder: Path, outside: Path) -> None:
    """Code and pickles that would make the canary, wherever a library may look for them."""
    source = f"open({str(outside / 'canary')!r}, 'w').close()\nclass Evil: ...\nclass Reward(Evil): ...\n"
    pickled = f"cposix\nsystem\n(S'touch {outside / 'canary'}'\ntR.".encode()
    for name in CODE_FILES:
        (folder / name).write_text(source)
    for name in PICKLES:
        (folder / name).write_bytes(pickled)


def nested(folder: Path) -> str:
    """A second folder, inside, whose configuration asks for its own code."""
    inner = folder / "inner"
    inner.mkdir(exist_ok=True)
    for file in (*folder.glob("*.json"), *folder.glob("*.safetensors"), *folder.glob("*.py")):
        (inner / file.name).write_bytes(file.read_bytes())
    for name in ("config.json", "tokenizer_config.json"):
        (inner / name).unlink(missing_ok=True)
        edit(inner, name, {"model_type": "evil", "auto_map": AUTO_MAP, "tokenizer_class": "Evil"})
    return str(inner)


def _text(**settings: Any) -> Attack:
    """An attack by the text tower of open_clip's configuration."""
    return lambda folder, outside: edit(
        folder, "open_clip_config.json", settings, "model_cfg", "text_cfg"
    )


def _vision(**settings: Any) -> Attack:
    return lambda folder, outside: edit(
        folder, "open_clip_config.json", settings, "model_cfg", "vision_cfg"
    )


def _config(name: str = "config.json", /, **settings: Any) -> Attack:
    return lambda folder, outside: edit(folder, name, settings)


def _recipe(**settings: Any) -> Attack:
    """An attack by a critic's recipe; what reads no recipe does not mind it."""
    return lambda folder, outside: edit(folder, "config.json", settings, "recipe")


def _tokenizer_in_another_folder(folder: Path, outside: Path) -> None:
    _text(hf_tokenizer_name=nested(folder))(folder, outside)


def _text_tower_in_another_folder(folder: Path, outside: Path) -> None:
    _text(hf_model_name=nested(folder))(folder, outside)


def _tower_in_another_folder(folder: Path, outside: Path) -> None:
    _vision(timm_model_name=f"local-dir:{nested(folder)}")(folder, outside)


def _only_pickles(folder: Path, outside: Path) -> None:
    for file in folder.glob("*.safetensors"):
        file.write_bytes((folder / PICKLES[0]).read_bytes())


def _adapter(folder: Path, outside: Path) -> None:
    base = {
        "base_model_name_or_path": nested(folder),
        "peft_type": "LORA",
        "auto_mapping": AUTO_MAP,
    }
    edit(folder, "adapter_config.json", base)


def _index(folder: Path, outside: Path) -> None:
    for file in folder.glob("*.safetensors"):
        file.unlink()
    weights = {"a": "pytorch_model.bin", "b": "../../victim"}
    edit(folder, "model.safetensors.index.json", {"weight_map": weights, "metadata": {}})


def _cache_outside(folder: Path, outside: Path) -> None:
    _text(tokenizer_kwargs={"cache_dir": str(outside / "canary")})(folder, outside)
    _config("tokenizer_config.json", cache_dir=str(outside / "canary"))(folder, outside)


def _recipe_writes(folder: Path, outside: Path) -> None:
    words = [f"cache={outside}", "device=meta", "seed=0"]
    _recipe(encoder=words)(folder, outside)


def _recipe_tower(folder: Path, outside: Path) -> None:
    words = ["library=transformers", f"model={nested(folder)}", f"cache={outside / 'canary'}"]
    _recipe(encoder_name="pretrained", encoder=words)(folder, outside)


def _vocabulary_outside(folder: Path, outside: Path) -> None:
    for name in ("vocab_file", "tokenizer_file", "merges_file", "added_tokens_file"):
        _config("tokenizer_config.json", **{name: str(outside / "victim")})(folder, outside)


def _template(folder: Path, outside: Path) -> None:
    command = f"touch {outside / 'canary'}"
    template = f"{{{{ cycler.__init__.__globals__.os.system('{command}') }}}}"
    (folder / "chat_template.jinja").write_text(template)
    _config("tokenizer_config.json", chat_template=template)(folder, outside)


PICKLED_TIMM = {"checkpoint_path": "model.pt", "pretrained_cfg": {"file": "model.pt"}}
GROUPS: Mapping[str, Mapping[str, Attack]] = {
    "open_clip": {
        "open_clip tokenizer with remote code": _text(
            hf_tokenizer_name="x", tokenizer_kwargs={"trust_remote_code": True}
        ),
        "open_clip tokenizer of another class": _text(
            hf_tokenizer_name="x", tokenizer_kwargs={"tokenizer_type": "evil", "use_fast": False}
        ),
        "open_clip tokenizer in another folder": _tokenizer_in_another_folder,
        "open_clip text tower in another folder": _text_tower_in_another_folder,
        "open_clip tower in another folder": _tower_in_another_folder,
        "open_clip layer of foreign keywords": _vision(
            norm_kwargs={"device": "meta", "dtype": "x"}
        ),
        "cache outside": _cache_outside,
    },
    "model": {
        "code for an unknown model type": _config(model_type="evil", auto_map=AUTO_MAP),
        "code for a known model type": _config(auto_map=AUTO_MAP, custom_pipelines=AUTO_MAP),
        "trust in the configuration": _config(**TRUST, auto_map=AUTO_MAP),
        "quantization": _config(
            quantization_config={"quant_method": "evil", "modules": "evil.Evil"}
        ),
        "kernels of a repository": _config(attn_implementation="evil/kernel:Evil"),
        "kernels, by the other name": _config(_attn_implementation="evil/kernel:Evil"),
        "named weights": _config(transformers_weights="pytorch_model.bin"),
        "backbone": _config(backbone="evil", use_pretrained_backbone=True, use_timm_backbone=True),
        "timm with a pickle": _config(
            model_type="timm_wrapper", architecture="resnet18", model_args=PICKLED_TIMM
        ),
        "index of pickles": _index,
        "pickle called safetensors": _only_pickles,
        "adapter": _adapter,
        "image processor's code": _config(
            "preprocessor_config.json", auto_map=AUTO_MAP, image_processor_type="Evil"
        ),
        "processor of another model": _config(
            "processor_config.json",
            auto_map=AUTO_MAP,
            audio_tokenizer={
                "audio_tokenizer_class": "Evil",
                "audio_tokenizer_name_or_path": "inner",
            },
        ),
        "generation's code": _config("generation_config.json", custom_generate="evil", **TRUST),
    },
    "text": {
        "tokenizer's code": _config(
            "tokenizer_config.json", auto_map=AUTO_MAP, tokenizer_class="evil.Evil"
        ),
        "tokenizer with trust": _config("tokenizer_config.json", **TRUST),
        "vocabulary outside": _vocabulary_outside,
        "template": _template,
    },
    "recipe": {
        "recipe names an encoder's code": _recipe(encoder_name="evil:Reward"),
        "recipe names a critic's code": _config(critic="evil:Reward"),
        "recipe names a function of Python": _recipe(
            encoder_name="os:system", encoder=["command=x"]
        ),
        "recipe writes": _recipe_writes,
        "recipe names a tower with code": _recipe_tower,
    },
}
"""Attacks by what they change: open_clip's configuration, that of a model of transformers or of its
tokenizer, and a critic's."""
ATTACKS: Mapping[str, Attack] = {
    name: attack for group in GROUPS.values() for name, attack in group.items()
}
