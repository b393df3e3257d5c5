"""roborew: from a sentence, a goal picture or a few videos to a dense reward, a trained robot and a
verdict."""

__version__ = "0.1.0"
