"""A Marketing Cloud that gives away what it is told: each answer quotes the request's secrets."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Telltale",)


class Telltale:
    """`with Telltale(token, statuses) as server`: a token for everybody, then a status a batch.

    Where `statuses` have run out a batch is accepted. Every answer but that of the token route
    holds the Authorization header: in the message (before `words`), as the event instance, in the
    Location.
    `open` lets batches be answered, `waiting` is set when one waits for that.
    """

    def __init__(self, token: str, *statuses: int, words: str = "") -> None:
        self._token = token
        self._words = words
        self._statuses = list(statuses)
        self._refused = False
        self.open = threading.Event()
        self.open.set()
        self.waiting = threading.Event()
        telltale = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                telltale.answer(self, 403)

            def do_POST(self) -> None:
                telltale.serve(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a POST."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if "Token" not in handler.path:
            self.waiting.set()
            self.open.wait(30)
            self.answer(handler, self._statuses.pop(0) if self._statuses else 201)
        elif self._refused:
            self._send(handler, 200, {"accessToken": self._token, "expiresIn": 3600})
        else:
            self._refused = True  # once, quoting the credentials
            self._send(handler, 503, {"message": f"busy with {body.decode()}", "errorcode": 50300})

    def answer(self, handler: BaseHTTPRequestHandler, status: int) -> None:
        """Answer, and quote what was said."""
        said = handler.headers["Authorization"]
        content = {
            "message": f"You said {said}{self._words}",
            "errorcode": 10005,
            "eventInstanceId": said.partition(" ")[2],
        }
        self._send(handler, status, content, location=f"/login?{said}/{said.replace(' ', '/')}")

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, content: Any, *, location: str = ""
    ) -> None:
        text = json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        if location:
            handler.send_header("Location", location)

        handler.end_headers()
        handler.wfile.write(text)
