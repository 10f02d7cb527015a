"""Pushes of workflows of GitHub Actions, which GitHub takes from an App only with the permission `workflows`."""

from pathlib import Path

REFUSED = {"HUB_WORKFLOWS": "refused"}
"""What tells git's hook that who pushes may not write workflows."""
HOOK = """\
#!/bin/sh
# Refuses new commits that change workflows, from who may not.
test "$HUB_WORKFLOWS" = refused || exit 0
case "$3" in *[!0]*) ;; *) exit 0 ;; esac
path=$(git log --format= --name-only --max-count=1 "$3" --not --all -- .github/workflows | head -n 1)
test -n "$path" || exit 0
echo "refusing to allow a GitHub App to create or update workflow \\`$path\\` without \\`workflows\\` permission"
exit 1
"""


def guard(repository: Path) -> None:
    """Have git ask before it takes a push."""
    hook = repository / "hooks" / "update"
    if hook.exists():
        return
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK)
    hook.chmod(0o755)
