"""``roborew serve``."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console

from roborew.cli.command import Command, say
from roborew.workflows.parts import RewardConfig


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
