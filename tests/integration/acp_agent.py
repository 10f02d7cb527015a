"""A small agent that speaks ACP, without a model: its prompt says line by line what it does.

    run COMMAND     ask for leave, unless in the mode "yolo", and run it in the session's folder
    read PATH       ask the client for a file
    say TEXT
    fail CODE TEXT  answer the prompt with an error
    end REASON      answer the prompt with another stop reason
    die             exit without an answer

Sessions are kept under HOME; `session/load` tells them again.
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

KEPT = Path(os.environ["HOME"]) / "sessions"


class Agent:
    def __init__(self) -> None:
        self._rest = b""
        self._requests = 0
        self._session, self._cwd, self._mode = "", "/", "yolo"
        self._cancelled = False

    def main(self) -> None:
        while (message := self._read()) is not None:
            if "method" in message:
                self._serve(message)

    def _read(self) -> dict[str, Any] | None:
        while b"\n" not in self._rest:
            data = os.read(0, 65536)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _write(self, **fields: Any) -> None:
        print(json.dumps({"jsonrpc": "2.0", **fields}), flush=True)

    def _serve(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message["method"]:
            case "initialize":
                assert params["clientCapabilities"] == {
                    "fs": {"readTextFile": False, "writeTextFile": False},
                    "terminal": False,
                }
                result = {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}
            case "session/new":
                result = self._open("s1", params)
                (KEPT / self._session).write_text("")
            case "session/load":
                if not (KEPT / params["sessionId"]).exists():
                    self._write(id=message["id"], error={"code": -32603, "message": "no such session"})
                    return
                result = self._open(params["sessionId"], params)
                self._say((KEPT / self._session).read_text())
            case "session/set_mode":
                self._mode, result = params["modeId"], {}
            case "session/prompt":
                self._prompt(message["id"], params["prompt"][0]["text"])
                return
            case _:
                return
        self._write(id=message["id"], result=result)

    def _open(self, session: str, params: dict[str, Any]) -> dict[str, Any]:
        KEPT.mkdir(exist_ok=True)
        self._session, self._cwd = session, params["cwd"]
        return {"sessionId": session, "modes": {"currentModeId": self._mode}}

    def _prompt(self, number: int, text: str) -> None:
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            match word:
                case "run":
                    self._run(rest)
                case "read":
                    self._say(f"read: {self._ask('fs/read_text_file', path=rest).get('error', {}).get('code')}")
                case "say":
                    self._say(rest)
                case "fail":
                    code, _, said = rest.partition(" ")
                    self._write(id=number, error={"code": int(code), "message": said})
                    return
                case "end":
                    self._write(id=number, result={"stopReason": rest})
                    return
                case "die":
                    sys.exit(7)
            if self._cancelled:
                self._write(id=number, result={"stopReason": "cancelled"})
                return
        self._write(id=number, result={"stopReason": "end_turn"})

    def _run(self, command: str) -> None:
        call = {"toolCallId": f"call-{self._requests}", "title": command, "kind": "execute"}
        told = {**call, "status": "in_progress", "rawInput": {"command": command}}
        self._update(sessionUpdate="tool_call", **told)
        if self._mode != "yolo" and not self._allowed(call):
            self._update(sessionUpdate="tool_call_update", **call, status="failed", rawOutput={"error": "refused"})
            return
        status = "completed" if self._obey(command) == 0 else "failed"
        self._update(sessionUpdate="tool_call_update", **call, status=status)

    def _allowed(self, call: dict[str, Any]) -> bool:
        options = [
            {"optionId": "always", "kind": "allow_always", "name": "Always"},
            {"optionId": "once", "kind": "allow_once", "name": "Once"},
            {"optionId": "no", "kind": "reject_once", "name": "No"},
        ]
        answer = self._ask("session/request_permission", toolCall=call, options=options)
        return bool(answer["result"]["outcome"].get("optionId") == "once")

    def _obey(self, command: str) -> int:
        """Run a command until it ends or the client cancels the turn."""
        process = subprocess.Popen(["sh", "-c", command], cwd=self._cwd, stdin=subprocess.DEVNULL)
        ended = os.pidfd_open(process.pid)
        while b"\n" in self._rest or ended not in select.select([0, ended], [], [])[0]:
            message = self._read()
            if message is None or message.get("method") == "session/cancel":
                self._cancelled = True
                process.kill()
        return process.wait()

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._requests += 1
        self._write(id=self._requests, method=method, params={"sessionId": self._session, **params})
        while (message := self._read()) is not None:
            if message.get("id") == self._requests and "method" not in message:
                return message
            self._cancelled = self._cancelled or message.get("method") == "session/cancel"
        sys.exit("the client left")

    def _say(self, text: str) -> None:
        self._update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})
        with (KEPT / self._session).open("a") as kept:
            kept.write(text)

    def _update(self, **update: Any) -> None:
        self._write(method="session/update", params={"sessionId": self._session, "update": update})


if __name__ == "__main__":
    Agent().main()
