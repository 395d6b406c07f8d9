"""A proxy between a client and a real server that cuts or stalls connections after some bytes."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count


class Proxy:
    """Passes on connection i until limits[i % n] bytes came back; None passes all. Then it cuts, or stalls if told to."""

    def __init__(self, port: int, limits: Sequence[int | None], *, stall: bool) -> None:
        self._target, self._limits, self._stall = port, limits, stall
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.broken = 0

    def run(self) -> None:
        for i in count():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client, self._limits[i % len(self._limits)]))
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _serve(self, client: socket.socket, limit: int | None) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            up = threading.Thread(target=self._up, args=(client, server))
            up.start()
            passed = 0
            with suppress(OSError):
                while part := server.recv(65536 if limit is None else max(1, limit - passed)):
                    if limit is not None and passed + len(part) > limit:
                        self.broken += 1
                        if self._stall:
                            self._ended.wait(5)
                        break
                    client.sendall(part)
                    passed += len(part)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            up.join()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while part := client.recv(65536):
                server.sendall(part)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(url: str, *limits: int | None, stall: bool = False) -> Iterator[Proxy]:
    """A proxy to the server at `url`."""
    found = Proxy(int(url.rpartition(":")[2]), limits, stall=stall)
    thread = threading.Thread(target=found.run)
    thread.start()
    try:
        yield found
    finally:
        found.close()
        thread.join()
        found.join()
