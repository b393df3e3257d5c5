"""``roborew serve`` and ``roborew label``: what listens on a port."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.cli.command import Command, say, watched
from roborew.errors import InvalidInputError
from roborew.workflows.label.config import LabelConfig, LabelerConfig
from roborew.workflows.parts import RewardConfig

if TYPE_CHECKING:
    from roborew.workflows.label.keys import Session
    from roborew.workflows.label.outcomes import OutcomeSession
    from roborew.workflows.label.session import LabelSession


@dataclass(frozen=True, kw_only=True)
class Serve(Command):
    """Serve a reward over HTTP until Ctrl-C: another process or machine pays its agent with it by
    ``--reward http://HOST:PORT``."""

    reward: RewardConfig = field(default_factory=RewardConfig)
    host: str = "127.0.0.1"
    """Address to listen on; any but this machine's own needs a token."""
    port: int = 8765
    """Port to listen on; 0 takes a free one, which is said."""
    token_env: str | None = None
    """Environment variable with a token that every request has to bring."""
    device: str = "cpu"
    """Where the model runs, a torch device name."""

    def run(self, console: Console) -> int:
        """Serve."""
        from roborew.rewards.remote.client import read_token
        from roborew.serving.server import Service, identity_of, serving
        from roborew.workflows.rewards import load_configured

        token = None if self.token_env is None else read_token(self.token_env)
        model = load_configured(self.reward, self.device)
        service = Service(model, identity_of(self.reward, model), token)
        with serving(service, self.host, self.port) as server:
            host, port = server.server_address[:2]
            say(console, f"{service.identity} at http://{host!s}:{port}, until Ctrl-C")
            server.serve_forever()
        return 0


@dataclass(frozen=True, kw_only=True)
class Label(Command):
    """Say which of two films is better, or with --outcomes whether a film ends in success, on a page in
    your browser, or let a vision-language model say it; `roborew fit` learns from that."""

    set: tyro.conf.Positional[Path]
    """Folder of demonstrations; RUN/preferences of a run with --judge person, or RUN/visited-N of one
    with --refit-labels person."""
    judge: LabelerConfig = field(default_factory=LabelerConfig)
    config: Annotated[LabelConfig, tyro.conf.arg(name="")] = field(default_factory=LabelConfig)
    instruction: str | None = None
    """What the films show, where they do not say so themselves."""
    port: int = 0
    """Port of the page on this machine; 0 takes a free one, which is said."""
    browser: bool = True
    """Open the page."""
    keys: Path | None = None
    """Press these keys in place of a person, in a file, separated by blanks or lines: left, right, tie,
    skip and undo, or success, failure, skip and undo."""
    device: str = "cpu"
    """Where a judge in this process runs, a torch device name."""

    def run(self, console: Console) -> int:
        """Label."""
        from roborew.workflows.label.keys import read_keys
        from roborew.workflows.label.outcomes import OutcomeSession
        from roborew.workflows.label.session import LabelSession

        self.judge.judge()  # a setting that nobody has is said before anything is read
        if self.keys is not None and not self.judge.is_person:
            raise InvalidInputError("--keys: these are pressed for a person; leave out --judge.")
        kind = OutcomeSession if self.config.outcomes else LabelSession
        session = kind(self.set, self._config(), self.instruction)
        if self.keys is not None:
            for key in read_keys(self.keys, session.keys):
                session.press(key)
        elif session.done == session.total:
            pass
        elif self.judge.is_person:
            self._serve(console, session)
        elif isinstance(session, LabelSession):
            self._ask(console, session)
        else:
            self._grade(console, session)
        say(console, session.summary())
        self.print_json(session.counts())
        return 0

    def _config(self) -> LabelConfig:
        """What is shown: to a judge pictures, where it is asked about pairs."""
        if self.config.outcomes:
            return self.config
        if self.judge.is_person:
            if self.config.form.is_ranking:
                raise InvalidInputError(
                    f"--pictures-per-question {self.config.pictures_per_question}: a person is shown "
                    "two films; leave it out."
                )
            return self.config
        if self.config.frames not in (None, 1):
            raise InvalidInputError(
                f"--frames {self.config.frames}: a judge is shown pictures; leave it out."
            )
        return replace(self.config, frames=1)

    def _serve(self, console: Console, session: Session) -> None:
        import webbrowser

        from roborew.serving.label_page import serving

        with serving(session, self.port) as (server, address):
            say(console, f"{address} until all {session.total} have a label, or Ctrl-C")
            if self.browser:
                webbrowser.open(address)
            server.serve_forever()

    def _ask(self, console: Console, session: LabelSession) -> None:
        from roborew.workflows.label import asking

        form = replace(self.config.form, judge=self.judge.name)
        labeler = asking.load_labeler(
            self.judge.judge(),
            self.set / asking.ANSWERS,
            f"labels of {self.set.resolve().name}",
            form,
            self.device,
        )
        questions = asking.Asking(
            labeler, session.labels, session.episodes, session.cameras, self.instruction
        )
        waiting = questions.unlabeled(session.groups)
        say(console, asking.describe_questions(waiting, form, labeler.judge.identity))
        blocks = asking.in_blocks(waiting, asking.PAIRS_PER_READ)
        for block in watched(console, blocks, "labels", [labeler]):
            questions.label(block)

    def _grade(self, console: Console, session: OutcomeSession) -> None:
        from roborew.rewards.vlm.verifier import Verifier

        judge = Verifier(judge=self.judge.judge(), device=self.device)
        waiting = session.waiting
        questions = len(waiting) * judge.questions_per_prefix
        say(console, f"{judge.judge.identity} is asked {questions:,} questions, each with a film")
        for episode in watched(console, waiting, "episodes", [judge]):
            session.grade(episode, judge)
