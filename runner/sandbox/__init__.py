"""What keeps agents apart from the machine, from the runner and from each other."""

from runner.sandbox.base import Confined, Confinement, Network, Sandbox, SandboxKind
from runner.sandbox.found import find_sandbox

__all__ = ["Confined", "Confinement", "Network", "Sandbox", "SandboxKind", "find_sandbox"]
