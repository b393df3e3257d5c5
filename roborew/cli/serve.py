"""``roborew serve`` and ``roborew label``: what listens on a port."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.cli.command import Command, say
from roborew.workflows.label.config import LabelConfig
from roborew.workflows.parts import RewardConfig

if TYPE_CHECKING:
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
    """Say which of two films is better, on a page in your browser; `roborew fit --critic
    bradley_terry` learns from that."""

    set: tyro.conf.Positional[Path]
    """Folder of demonstrations, or RUN/preferences of a run with --judge person."""
    config: Annotated[LabelConfig, tyro.conf.arg(name="")] = field(default_factory=LabelConfig)
    instruction: str | None = None
    """What the films show, where they do not say so themselves."""
    port: int = 0
    """Port of the page on this machine; 0 takes a free one, which is said."""
    browser: bool = True
    """Open the page."""
    keys: Path | None = None
    """Press these keys in place of a person: left, right, tie, skip and undo in a file, separated by
    blanks or lines."""

    def run(self, console: Console) -> int:
        """Label."""
        from roborew.workflows.label.session import LabelSession, read_keys

        session = LabelSession(self.set, self.config, self.instruction)
        if self.keys is not None:
            for key in read_keys(self.keys):
                session.press(key)
        elif session.current is not None:
            self._serve(console, session)
        say(console, f"{session.done} of {len(session.pairs)} pairs have a label")
        self.print_json({"done": session.done, "pairs": len(session.pairs)})
        return 0

    def _serve(self, console: Console, session: LabelSession) -> None:
        import webbrowser

        from roborew.serving.label_page import serving

        with serving(session, self.port) as (server, address):
            say(console, f"{address} until all {len(session.pairs)} pairs have a label, or Ctrl-C")
            if self.browser:
                webbrowser.open(address)
            server.serve_forever()
