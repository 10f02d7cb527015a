"""The wheel, built once, installed where there is nothing but what it says that it needs."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import pytest

from tests.e2e.processes import START_SECONDS, free_port, healthy, start

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

TREE = Path(__file__).parents[2]
PACKAGES = tomllib.loads((TREE / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "packages"
]
EXECUTABLE = 0o111
OF_EXTRAS = ("opentelemetry", "prometheus_client")
"""What a module may begin with that is imported only where somebody asks for it."""
IMPORT_ALL = """
import importlib, pathlib, sys
for line in sys.stdin:
    try:
        importlib.import_module(line.strip())
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] not in sys.argv[1:]:
            raise
print(importlib.import_module("app").__file__)
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel, and the environment it was installed in."""

    wheel: Path
    bin: Path

    def files(self) -> dict[str, int]:
        """Map the files of the packages in the wheel to their modes."""
        with ZipFile(self.wheel) as archive:
            infos = [info for info in archive.infolist() if ".dist-info/" not in info.filename]
        return {info.filename: info.external_attr >> 16 for info in infos}

    def run(
        self, *argv: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, somewhere else than in the tree."""
        return subprocess.run(
            [str(self.bin / argv[0]), *argv[1:]],
            cwd=self.bin.parent,
            env={"PATH": os.environ["PATH"], **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("wheel")
    try:
        do(str(Path(sys.executable).with_name("hatchling")), "build", "--target", "wheel", "--directory", str(folder))
        [wheel] = folder.glob("*.whl")
        do(sys.executable, "-m", "venv", str(folder / "clean"))
        pip = [str(folder / "clean/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        do(*pip, "--require-hashes", "--requirement", str(TREE / "requirements/base.txt"))
        do(*pip, "--no-deps", "--no-index", str(wheel))
        yield Installed(wheel, folder / "clean/bin")
    finally:
        shutil.rmtree(folder)  # some hundred megabytes


def do(*argv: str) -> None:
    """Run a step of the installation, or say which one failed and how."""
    done = subprocess.run(argv, cwd=TREE, capture_output=True, text=True, check=False)
    if done.returncode:
        hint = "are pip's cache and the package index both out of reach?" if "pip" in argv else ""
        pytest.fail(f"{' '.join(argv)} ended with {done.returncode}; {hint}\n{done.stdout}{done.stderr}", pytrace=False)


def in_tree() -> dict[str, bool]:
    """Map the files of the packages in the tree to whether they can be executed."""
    found = [path for package in PACKAGES for path in (TREE / package).rglob("*") if path.is_file()]
    kept = [path for path in found if "__pycache__" not in path.parts and TREE / "infra/deploy" not in path.parents]
    return {path.relative_to(TREE).as_posix(): bool(path.stat().st_mode & EXECUTABLE) for path in kept}


def test_every_package_of_the_tree_is_listed_but_the_tests() -> None:
    assert sorted(PACKAGES) == sorted(
        path.parent.name for path in TREE.glob("*/__init__.py") if path.parent.name != "tests"
    )


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(installed: Installed) -> None:
    assert {name: bool(mode & EXECUTABLE) for name, mode in installed.files().items()} == in_tree()


def test_what_git_calls_can_be_executed_where_it_is_installed(installed: Installed) -> None:
    [askpass] = installed.bin.parent.glob("lib/python*/site-packages/runner/askpass.sh")
    assert os.access(askpass, os.X_OK)


def test_every_module_can_be_imported_without_what_only_tests_or_extras_need(installed: Installed) -> None:
    modules = [name.removesuffix(".py").replace("/", ".") for name in installed.files() if name.endswith(".py")]
    done = installed.run("python", "-W", "error", "-c", IMPORT_ALL, *OF_EXTRAS, stdin="\n".join(sorted(modules)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(installed.bin.parent))


def test_what_is_installed_agrees_with_what_the_wheel_asks_for(installed: Installed) -> None:
    done = installed.run("python", "-m", "pip", "--disable-pip-version-check", "check")
    assert (done.returncode, done.stdout) == (0, "No broken requirements found.\n")
    assert installed.run("python", "-c", "import pytest").returncode == 1


def test_every_console_script_starts(installed: Installed) -> None:
    scripts = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["scripts"]
    assert "orch" in scripts
    for name in scripts:
        done = installed.run(name, "--help")
        assert (done.returncode, done.stderr, "Usage: " in done.stdout) == (0, "", True)


def test_orch_without_settings_says_which_and_ends_with_2(installed: Installed) -> None:
    done = installed.run("orch", "serve")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "ORCH_WEBHOOK_SECRET" in done.stderr


def test_what_an_optional_part_is_needed_for_names_it(installed: Installed) -> None:
    rule = '[{"to": "json://127.0.0.1:9/canary", "on": ["done"]}]'
    done = installed.run("orch", "notify", "test", env={"ORCH_NOTIFY": rule})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "orch: ORCH_NOTIFY needs the library apprise, which is not installed: install orch-app[notify], or unset it\n"
    )


async def test_hub_and_orch_find_each_other_and_end_in_order(installed: Installed, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    webhook = f"http://127.0.0.1:{port}/webhook"
    orch = str(installed.bin / "orch")
    hub = await start([orch, "hub", "--webhook", webhook], {}, log, piped=True)
    try:
        assert hub.process.stdout is not None
        about = json.loads(await asyncio.wait_for(hub.process.stdout.readline(), START_SECONDS))
        env = {
            "ORCH_GITHUB_API_URL": about["api_url"],
            "ORCH_GITHUB_WEB_URL": about["web_url"],
            "ORCH_APP_ID": str(about["app_id"]),
            "ORCH_PRIVATE_KEY_FILE": about["key_file"],
            "ORCH_WEBHOOK_SECRET": about["webhook_secret"],
            "ORCH_AGENTS": "script",
            "ORCH_SANDBOX": "none",
            "ORCH_STATE_DIR": str(tmp_path / "state"),
            "ORCH_PORT": str(port),
        }
        serving = await start([orch, "serve"], env, log)
        try:
            await healthy(f"http://127.0.0.1:{port}", serving, log)
            async with aiohttp.ClientSession() as session, session.get(about["web_url"]) as page:
                assert (page.status, "acme/widgets" in await page.text()) == (200, True)
            assert await serving.stop() == 0
        finally:
            await serving.kill()
        assert await hub.stop() == 0
    finally:
        await hub.kill()
