"""What `inside.py` is told: a specification in its argv, which holds no value of the environment that may be secret."""

import json
import resource
from collections.abc import Mapping, Sequence

from runner.sandbox.base import INSIDE, INTERPRETER, Confinement
from runner.sandbox.owners import User

LOADER_NAMES = ("GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH")


def start_inside(
    argv: Sequence[str],
    env: Mapping[str, str],
    confinement: Confinement,
    user: User | None,
    forwards: Sequence[tuple[int, str]] | None,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return argv and environment of the program that becomes the agent, or with `forwards` stays as its first process.

    What would act on the loader of the programs that come before the agent is set for the agent alone.
    """
    late = {name: value for name, value in env.items() if name.startswith("LD_") or name in LOADER_NAMES}
    early = {name: value for name, value in env.items() if name not in late}
    spec = {
        "init": forwards is not None,
        "forwards": forwards or (),
        "user": (user.uid, user.gid, user.groups) if user else None,
        "rlimits": _limits(confinement),
        "names": list(early),
        "late": late,
        "nesting": confinement.nesting,
        "cwd": str(confinement.workspace),
    }
    return (INTERPRETER, "-I", "-S", INSIDE, json.dumps(spec), *argv), early


def _limits(confinement: Confinement) -> list[tuple[int, int]]:
    """List what is limited. RLIMIT_DATA, not RLIMIT_AS: JavaScript engines reserve far more than they ever use."""
    limits = {
        resource.RLIMIT_DATA: confinement.memory_bytes,
        resource.RLIMIT_NPROC: confinement.processes,
        resource.RLIMIT_CPU: confinement.cpu_seconds,
        resource.RLIMIT_FSIZE: confinement.file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    return [(number, value) for number, value in limits.items() if value is not None]
