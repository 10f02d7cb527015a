"""The four profiles, as rules in the order in which they count.

`headless-safe` lets an agent build and test, which runs what the agent wrote: its rules keep honest agents from
mistakes, and only the sandbox stops others.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from app.domain.errors import UserError
from app.domain.tools.commands import BY_PATH, FROM_INPUT
from app.domain.tools.rules import Profile, Rule, RuleEffect

_ALLOW, _ASK, _DENY = RuleEffect.ALLOW, RuleEffect.ASK, RuleEffect.DENY
_LOOKS = ("read", "search")

INSIDE = ("**",)
OUTSIDE = ("/**", "~/**", "$")
NOWHERE = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/zero", "/dev/urandom")
SYSTEM = ("/usr/**", "/bin/**", "/lib/**", "/lib64/**", "/opt/**", "/etc/os-release", "/etc/debian_version")


def _anywhere(*names: str) -> tuple[str, ...]:
    return tuple(before + name for before in ("**/", "/**/", "~/**/") for name in names)


CREDENTIALS = (
    *_anywhere(".ssh/**", ".aws/**", ".gnupg/**", ".kube/**", ".azure/**", ".netrc", ".git-credentials", ".pypirc"),
    *_anywhere(".docker/config.json", ".config/gh/**", ".config/gcloud/**", ".config/git/credentials"),
    *_anywhere(".claude/.credentials.json", ".codex/auth.json", ".cargo/credentials*"),
    *("~/.npmrc", "/root/.npmrc", "/home/*/.npmrc", "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/sudoers.d/**"),
    *("/proc/*/environ", "/proc/*/mem", "/proc/*/fd/**", "/run/secrets/**", "/var/run/secrets/**"),
)
SECRETS = _anywhere(".env", ".env.local", ".env.*.local", ".env.dev*", ".env.prod*", ".env.stag*", ".envrc")
OF_GIT = (".git/**", "**/.git/**")
OWN_RULES = (
    *(".orch.yml", ".orch/**", ".mcp.json", "opencode.json*", ".opencode/**"),
    *("**/.claude/**", "**/.codex/**", "**/.gemini/**", "**/.qwen/**", "**/.kimi/**", "**/.kimi-code/**"),
)
CI = (".github/workflows/**", ".github/actions/**", ".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
MENTIONED = ("*/.ssh/*", "*/.aws/*", "*/.gnupg/*", "*/.git-credentials*", "*/.netrc*", "*/etc/shadow*")

HARMLESS_VARIABLES = ("LANG", "LC_*", "NO_COLOR", "COLUMNS", "LINES", "GIT_PAGER=cat", "PAGER=cat")
RISKY_VARIABLES = (
    *("PATH", "CDPATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "PROMPT_COMMAND", "PS4", "HOME", "SHELL"),
    *("LD_*", "DYLD_*", "GIT_*", "SSH_*", "EDITOR", "VISUAL", "PAGER", "BROWSER", "LESS*", "MANPAGER", "$*"),
)

LOOKERS = (
    *("ls", "cat", "head", "tail", "wc", "stat", "file", "du", "df", "basename", "dirname", "realpath", "readlink"),
    *("cut", "nl", "tac", "rev", "cmp", "diff", "comm", "column", "fold", "paste", "join", "od", "hexdump", "strings"),
    *("md5sum", "sha1sum", "sha256sum", "grep", "egrep", "fgrep", "sed print", "test", "[", "which", "type"),
    *("command -v", "command -V"),
)
READERS = (
    *LOOKERS,
    *("find", "rg", "fd", "sort", "tree", "cd", "pwd", "true", "false", ":", "tr", "whoami", "id", "uname", "nproc"),
    *("sleep", "seq", "git status", "git log", "git diff", "git show", "git blame", "git grep", "git ls-files"),
    *("git ls-tree", "git rev-parse", "git rev-list", "git merge-base", "git describe", "git shortlog", "git name-rev"),
    *("git cat-file", "git show-ref", "git for-each-ref", "git count-objects", "git diff-tree", "git check-ignore"),
    *("git --version",),
)
_FORCES = ("--force", "--force-with-lease", "--force-if-includes", "--mirror", "--delete", "--prune")
_GITS_OWN = "git alone changes its own files"
_GIT_SHOWS = (
    *("git log", "git diff", "git show", "git blame", "git shortlog", "git rev-list", "git diff-tree", "git grep"),
    *("git cat-file",),
)
_LISTING = ("-a", "-r", "-v", "-vv", "-l", "--list", "--all", "--remotes", "--show-current", "--verbose", "--sort=*")
_SET = ("-e", "-u", "-x", "-eu", "-ex", "-ux", "-eux", "-euo", "-euxo", "-o", "+e", "+u", "+x", "pipefail")

PRIVILEGES = (
    *("sudo", "su", "doas", "pkexec", "runuser", "setpriv", "capsh", "setcap", "chroot", "unshare", "nsenter"),
    *("bwrap", "mount", "umount", "losetup", "mkfs*", "fdisk", "parted", "swapon", "insmod", "modprobe", "rmmod"),
    *("sysctl", "systemctl", "service", "journalctl", "shutdown", "reboot", "halt", "poweroff", "init", "telinit"),
    *("iptables", "ip6tables", "nft", "ufw", "useradd", "usermod", "userdel", "groupadd", "passwd", "chpasswd"),
    *("visudo", "crontab", "at", "batch", "docker", "docker-compose", "podman", "nerdctl", "ctr", "buildah", "kubectl"),
)
NETWORK = (
    *("curl", "wget", "nc", "ncat", "netcat", "telnet", "ssh", "scp", "sftp", "ssh-*", "rsync", "ftp", "socat", "nmap"),
    *("dig", "nslookup", "host", "ping", "gh", "hub", "glab", "aws", "gcloud", "az", "heroku", "vercel", "openssl"),
    *("git push", "git pull", "git fetch", "git clone", "git remote", "git submodule", "git ls-remote", "git archive"),
    *("git send-email", "git request-pull", "git svn", "git lfs", "git credential*", "git config", "git daemon"),
)
PUBLISHES = (
    *("npm publish", "npm unpublish", "npm login", "npm adduser", "npm token", "npm owner", "npm access", "npm config"),
    *("pnpm publish", "yarn publish", "yarn npm", "cargo publish", "cargo login", "cargo yank", "poetry publish"),
    *(
        "poetry config",
        "uv publish",
        "twine",
        "gem push",
        "gem signin",
        "mvn deploy",
        "gradle publish*",
        "dotnet nuget",
    ),
)
BUILDERS = (
    *("mkdir", "touch", "cp", "mv", "rm", "rmdir", "ln", "tee", "install", "chmod", "sed", "awk", "gawk", "mawk", "jq"),
    *("yq", "patch", "tar", "gzip", "gunzip", "zip", "unzip", "xz", "zstd", "truncate", "mktemp", "split", "uniq"),
    *("xxd", "date", "export", "declare", "readonly", "local", "unset", "set", "shopt", "read", "shift", "exit"),
    *("return", "wait", "jobs", "dos2unix", "git", "sh", "source", ".", BY_PATH, "make", "gmake", "cmake", "ctest"),
    *("ninja", "meson", "bazel", "just", "task", "tox", "nox", "gcc", "g++", "cc", "c++", "clang", "clang++", "ld"),
    *("ar", "nm", "objdump", "pkg-config", "autoreconf", "python", "python3", "python3.*", "pip", "pip3", "pipx", "uv"),
    *("uvx", "poetry", "pipenv", "pdm", "hatch", "conda", "pytest", "py.test", "mypy", "pyright", "ruff", "black"),
    *("isort", "flake8", "pylint", "coverage", "pre-commit", "node", "npm", "npx", "pnpm", "pnpx", "yarn", "bun"),
    *("bunx", "deno", "tsc", "eslint", "prettier", "jest", "vitest", "mocha", "vite", "webpack", "turbo", "nx"),
    *("cargo", "rustc", "rustfmt", "go", "gofmt", "golangci-lint", "java", "javac", "mvn", "gradle", "kotlinc", "sbt"),
    *("scala", "ruby", "bundle", "gem", "rake", "rspec", "rubocop", "php", "composer", "phpunit", "perl", "prove"),
    *("dotnet", "swift", "elixir", "mix", "erl", "rebar3", "ghc", "cabal", "stack", "lua", "luarocks", "R", "Rscript"),
    *("zig", "dart", "flutter", "terraform fmt", "terraform validate", "shellcheck", "shfmt", "hadolint", "sqlite3"),
)


def _shell(effect: RuleEffect, commands: tuple[str, ...], why: str, **conditions: tuple[str, ...]) -> Rule:
    return Rule(effect=effect, tools=("shell",), commands=commands, why=why, **conditions)


def _on(effect: RuleEffect, tools: tuple[str, ...], paths: tuple[str, ...], why: str) -> Rule:
    return Rule(effect=effect, tools=tools, paths=paths, why=why)


def _variables(effect: RuleEffect, names: tuple[str, ...], why: str) -> Rule:
    return Rule(effect=effect, tools=("shell",), variables=names, why=why)


def _not_only_reading(effect: RuleEffect) -> tuple[Rule, ...]:
    """Catch those options of the readers that make them write, run programs, or read what their input names."""
    why = "with that option it does more than read"
    return (
        _shell(effect, ("find",), why, options=("-exec*", "-ok*", "-delete", "-fprint*", "-fls", "-files0-from")),
        _shell(effect, _GIT_SHOWS, why, options=("--output", "--ext-diff", "--textconv")),
        _shell(effect, ("git grep",), why, options=("--open-files-in-pager", "-O")),
        _shell(effect, ("rg",), why, options=("--pre", "--hostname-bin", "--search-zip", "-z")),
        _shell(effect, ("fd",), why, options=("--exec", "--exec-batch", "-x", "-X")),
        _shell(effect, ("sort",), why, options=("--output", "--compress-program", "--temporary-directory", "-o", "-T")),
        _shell(effect, ("tree",), why, options=("--output", "--fromfile", "-o", "-R")),
        _shell(effect, ("file",), why, options=("--compile", "--files-from", "-C", "-f")),
        _shell(effect, ("sort", "wc", "du"), why, options=("--files0-from",)),
        _shell(effect, ("md5sum", "sha1sum", "sha256sum"), why, options=("--check", "-c")),
        _shell(effect, ("printf", "test", "["), why, options=("-v",)),
    )


_NOWHERE = _on(_ALLOW, ("read", "write"), NOWHERE, "nothing is kept there")
_CREDENTIALS = (
    _on(_DENY, (), CREDENTIALS, "credentials are kept there"),
    Rule(effect=_DENY, tools=("shell",), options=MENTIONED, why="it speaks of where credentials are kept"),
)
_PRIVILEGES = _shell(_DENY, PRIVILEGES, "it reaches past the workspace and the rights of the run")
_SAYS = _shell(_ALLOW, ("echo", "printf"), "says something", paths=(*INSIDE, "$"))
_PLANS = Rule(effect=_ALLOW, tools=("plan",), why="does nothing by itself")
_READS = _shell(_ALLOW, READERS, "reads in the workspace", paths=(*INSIDE, *NOWHERE))
_READS_SYSTEM = (
    _shell(_ALLOW, LOOKERS, "reads what is installed", paths=(*INSIDE, *NOWHERE, *SYSTEM)),
    _on(_ALLOW, _LOOKS, (*INSIDE, *SYSTEM), "reads in the workspace, or what is installed"),
)
_KEEPS = _shell(_ALLOW, ("git commit", "git tag", "git stash"), "keeps work in the workspace's own history")


PLAN_READONLY = Profile(
    name="plan-readonly",
    about="Reads and searches in the workspace, and nothing else.",
    needs_gate=True,
    rules=(
        _NOWHERE,
        *_CREDENTIALS,
        _on(_DENY, (), SECRETS, "a secret may be in it"),
        _PLANS,
        _on(_ALLOW, _LOOKS, INSIDE, "reads in the workspace"),
        _variables(_ALLOW, HARMLESS_VARIABLES, "it changes only how things are shown"),
        *_not_only_reading(_DENY),
        _READS,
        _SAYS,
        _shell(_ALLOW, ("git branch", "git tag"), "lists", only=_LISTING, paths=INSIDE),
        _shell(_ALLOW, ("git remote",), "lists", only=("-v",), paths=INSIDE),
        _shell(_ALLOW, ("git stash list", "git worktree list"), "lists", only=(), paths=INSIDE),
        _shell(_ALLOW, ("uniq",), "reads its input", only=("-*",), paths=INSIDE),
        _shell(_ALLOW, ("date",), "tells the time", only=("+*", "-u", "--utc", "-I*", "-R"), paths=INSIDE),
        _shell(_ALLOW, ("set",), "changes how the shell fails", only=_SET, paths=INSIDE),
        Rule(effect=_DENY, why="it is not known to only read in the workspace"),
    ),
)

HEADLESS_SAFE = Profile(
    name="headless-safe",
    about="Edits, builds and tests in the workspace; asks before it reaches out.",
    needs_gate=True,
    rules=(
        _NOWHERE,
        *_CREDENTIALS,
        _on(_ASK, (), SECRETS, "a secret may be in it"),
        _PRIVILEGES,
        _shell(
            _DENY,
            ("git push",),
            "it rewrites or deletes what others may have",
            options=(*_FORCES, "-f", "-d", "+*", ":*"),
        ),
        _shell(_DENY, ("git -c", "git --config-env*", "git --exec-path*"), "a setting of git can run any program"),
        _shell(_ASK, NETWORK, "it reaches other machines, or settles how git does"),
        _shell(_ASK, PUBLISHES, "it publishes, or settles who may"),
        _shell(_ASK, (f"sh {FROM_INPUT}",), "it runs what it is given as input"),
        _shell(_ASK, ("kill", "pkill", "killall", "xkill", "fuser"), "it ends programs"),
        _shell(_ASK, ("chmod",), "it changes whole trees", options=("--recursive", "-R")),
        _shell(_ASK, ("chown", "chgrp", "chattr", "setfacl"), "it changes who owns files"),
        _variables(_ASK, RISKY_VARIABLES, "it changes what other programs do"),
        _variables(_ALLOW, ("*",), "a variable of its own"),
        *_not_only_reading(_ASK),
        _READS,
        _SAYS,
        _KEEPS,
        *_READS_SYSTEM,
        _on(_DENY, ("write", "edit"), OF_GIT, _GITS_OWN),
        _shell(_DENY, ("rm", "mv", "cp", "ln", "tee", "install", "chmod", "truncate"), _GITS_OWN, paths=OF_GIT),
        _on(_ASK, ("shell",), OF_GIT, "it may change git's own files"),
        _on(_ASK, ("write", "edit", "shell"), OWN_RULES, "it may change the rules that agents work by"),
        _on(_ASK, ("write", "edit", "shell"), CI, "it may change what runs with the repository's secrets"),
        _shell(_ASK, ("rm", "mv"), "it takes away the workspace itself", paths=(".",)),
        _on(_ASK, (), OUTSIDE, "it is outside the workspace, or may be"),
        _shell(_ALLOW, BUILDERS, "edits, builds or tests in the workspace"),
        _on(_ALLOW, ("write", "edit"), INSIDE, "edits in the workspace"),
        _PLANS,
        Rule(effect=_ASK, why="no rule knows it"),
    ),
)

HEADLESS_PERMISSIVE = Profile(
    name="headless-permissive",
    about="Everything in the workspace; neither credentials nor what lies outside.",
    needs_gate=False,
    rules=(
        _NOWHERE,
        *_CREDENTIALS,
        _PRIVILEGES,
        _SAYS,
        _KEEPS,
        *_READS_SYSTEM,
        _on(_DENY, (), ("/**", "~/**"), "it is outside the workspace"),
        _on(_ASK, (), ("$",), "it may be outside the workspace"),
        Rule(effect=_ALLOW, why="it is in the workspace"),
    ),
)

TRUSTED = Profile(
    name="trusted",
    about="Everything: the sandbox is the wall.",
    needs_gate=False,
    unreadable=_ALLOW,
    rules=(Rule(effect=_ALLOW, why="the sandbox is the wall"),),
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (PLAN_READONLY, HEADLESS_SAFE, HEADLESS_PERMISSIVE, TRUSTED)}
)


def find_profile(name: str) -> Profile:
    """Return a profile by its name; raises UserError with a better word if there is none."""
    if name in PROFILES:
        return PROFILES[name]
    close = get_close_matches(name, PROFILES, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(PROFILES)}"
    raise UserError(f"there is no profile {name!r}; {hint}")
