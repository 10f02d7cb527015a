"""The pages of `orch setup`: who is let in, what can go wrong on the way to GitHub and back, what is written."""

import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.domain.errors import UserError
from app.domain.manifest import NewApp
from app.entry.setup import Asked, check_room, run_setup
from app.settings import ServeSettings, SetupSettings, read_settings
from app.sources import gather
from infra.hub.records import App
from infra.local.secrets import FileSecretStore
from tests.e2e.processes import free_port
from tests.integration.setup_stage import Visitor, callback, open_pages, open_stage

NEW = NewApp(7, "orch", "Orch", "https://github.com/apps/orch", "KEY\n", "hu'sh\\ # $x", "client")
KEYS = ("ORCH_APP_ID", "ORCH_PRIVATE_KEY_FILE", "ORCH_WEBHOOK_SECRET")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def nowhere() -> str:
    """Name a GitHub that does not answer."""
    return f"http://127.0.0.1:{free_port()}"


async def test_only_the_address_that_was_printed_opens_and_only_once(tmp_path: Path) -> None:
    async with open_pages(tmp_path, nowhere()) as visitor:
        address = visitor.setup.address.removeprefix(visitor.setup.place.origin)
        assert (await visitor.get("/setup")).status == 403
        assert (await visitor.get(address, Host="evil.example")).status == 403
        assert (await visitor.get(address)).headers["Location"] == "/setup"
        assert (await visitor.get("/setup")).status == 200
        visitor.session.cookie_jar.clear()
        assert "It opens once" in (await visitor.get(address)).text


async def test_a_form_of_another_page_does_nothing(tmp_path: Path) -> None:
    async with open_pages(tmp_path, nowhere()) as visitor:
        await visitor.enter()
        sent = [
            await visitor.post("/setup", origin="http://evil.example", name="orch"),
            await visitor.post("/setup", token="guessed", name="orch"),
            await visitor.post("/setup", name="x" * 20_000),
        ]
        assert ([one.status for one in sent], visitor.setup.wishes) == ([403] * 3, {})


async def test_a_github_that_does_not_answer_is_told_beside_what_was_typed(tmp_path: Path) -> None:
    async with open_pages(tmp_path, nowhere()) as visitor:
        await visitor.enter()
        shown = await visitor.post("/setup", name="My Orch", webhook="https://orch.example.org/webhook")
        assert (shown.status, shown.value("name")) == (502, "My Orch")
        assert "GitHub does not answer at" in shown.text


async def test_what_was_typed_wrong_is_told_beside_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as (visitor, _):
        taken = await visitor.post("/setup", name="Orch")
        assert (taken.status, taken.value("name")) == (422, "Orch")
        assert "There is an App named `Orch` on GitHub already" in taken.text
        lost = await visitor.post("/setup", name="a", owner="organization", organization="a b")
        assert "Give the organisation's login" in lost.text


async def test_an_answer_that_was_not_asked_for_makes_nothing(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as (visitor, hub):
        path = await visitor.agree()
        shown = await visitor.get(callback(code=path.partition("code=")[2].partition("&")[0], state="guessed"))
        assert (shown.status, visitor.setup.made) == (403, None)
        assert len(hub.world.state.rows(App)) == 1
        assert (await visitor.get(path)).headers["Location"] == "/setup/done"


async def test_a_code_that_github_does_not_know_is_told_and_its_state_is_used_up(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as (visitor, _):
        await visitor.agree()
        state = next(iter(visitor.setup.wishes))
        expired, again = [await visitor.get(callback(code="old", state=state)) for _ in range(2)]
        assert (expired.status, again.status) == (410, 409)
        assert "older than an hour" in expired.text
        assert (await visitor.get("/setup")).status == 200


async def test_an_answer_that_is_lost_is_not_taken_for_a_no(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as (visitor, hub):
        path = await visitor.agree()
        hub.world.faults.set({"write_then_502": "once"})
        shown = await visitor.get(path)
        assert (shown.status, len(hub.world.state.rows(App))) == (502, 2)
        assert "it is not known whether the App was made" in shown.text
        assert f"{hub.base_url}/settings/apps" in shown.hrefs()


async def test_keys_that_cannot_be_written_are_written_later_and_never_shown(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as (visitor, _):
        path = await visitor.agree()
        (tmp_path / "state").write_text("a file is in the way\n")
        failed = await visitor.get(path)
        assert (failed.status, (tmp_path / ".env").exists()) == (500, False)
        assert "its keys are not kept" in (await visitor.get("/setup")).text
        assert "its keys are not kept" in (await visitor.post("/setup", name="another")).text
        (tmp_path / "state").unlink()
        assert (await visitor.post("/setup/keep")).headers["Location"] == "/setup/done"
        assert (await visitor.get(path)).headers["Location"] == "/setup/done"
        done = await visitor.get("/setup/done")
        assert "ORCH_AGENTS is not set" in done.text
        assert "When you have a public https address" in done.text
        _assert_nothing_shown(visitor, tmp_path)


def _assert_nothing_shown(visitor: Visitor, folder: Path) -> None:
    made, shown = visitor.setup.made, "".join(visitor.seen)
    assert made is not None
    assert made.private_key.splitlines()[1] not in shown
    assert made.webhook_secret not in shown
    assert made.client_secret not in shown
    assert (folder / "state/app/private-key.pem").read_text() == made.private_key


async def test_secrets_are_kept_from_others_and_read_back_as_they_were(tmp_path: Path) -> None:
    folder, env = tmp_path / "it's \\ a # place", tmp_path / ".env"
    env.write_text("# mine\nOTHER='a\nb'")
    env.chmod(0o644)
    await FileSecretStore(folder, env).keep(NEW)
    key = folder / "app" / "private-key.pem"
    assert dotenv_values(env) == {"OTHER": "a\nb", **dict(zip(KEYS, ("7", str(key), NEW.webhook_secret), strict=True))}
    assert env.read_text().startswith("# mine\nOTHER='a\nb'\n")
    assert [mode(path) for path in (env, key, key.with_name("client-secret"))] == [0o600] * 3
    assert mode(key.parent) == 0o700


async def test_another_app_takes_the_place_of_one_only_if_asked(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("export ORCH_APP_ID=1\nORCH_PRIVATE_KEY='a\nb'\nOTHER=x\n")
    with pytest.raises(UserError, match="sets ORCH_APP_ID, ORCH_PRIVATE_KEY already"):
        await FileSecretStore(tmp_path, env).keep(NEW)
    assert not (tmp_path / "app").exists()
    await FileSecretStore(tmp_path, env, replace=True).keep(NEW)
    assert sorted(dotenv_values(env)) == sorted([*KEYS, "OTHER"])


@pytest.mark.parametrize("named", ["environment", "orch.yml"])
def test_what_would_contradict_the_file_is_named_first(tmp_path: Path, named: str) -> None:
    environ = {"ORCH_APP_ID": "7"} if named == "environment" else {}
    if not environ:
        (tmp_path / "orch.yml").write_text("app_id: 7\n")
    with pytest.raises(UserError, match=f"an App is set already: .* \\({named}"):
        check_room(gather(ServeSettings.model_fields, environ, tmp_path, None), replace=True)


async def test_one_app_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ORCH_APP_ID=7\n")
    with pytest.raises(UserError, match="`orch setup --replace` makes another"):
        await run_setup(SetupSettings(), Asked(browser=False), print)


def test_who_has_no_app_is_told_what_makes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"`orch setup` makes an App on GitHub"):
        read_settings(ServeSettings)
