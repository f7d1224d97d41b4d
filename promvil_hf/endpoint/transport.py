# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One request to a server: one deadline over all of it, an answer of bounded size, and no redirect followed.

Each request has its own connection. Proxies named in the environment are used. Standard library only.
"""

import io
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass


class TooLong(Exception):
    """The answer is longer than it may be, on the wire or unpacked."""


class Unreadable(Exception):
    """The answer is packed in a way that was not asked for, or is no HTTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,
    most: int,
    clock: Callable[[], float] = time.monotonic,
) -> Reply:
    """The server's reply, redirects included.

    Raises TimeoutError `timeout` seconds after the start whatever has come by then, OSError where the connection fails,
    TooLong for a body of more than `most` bytes, and Unreadable.
    """
    end = clock() + timeout

    def left() -> float:
        seconds = end - clock()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    connection, target = _connection(urlsplit(url), left())
    try:
        connection.connect()
        with closing(connection.sock) as socket:
            connection.sock = _Timed(socket, left)
            connection.request("POST", target, body, {**headers, "Accept-Encoding": "identity", "Connection": "close"})
            with connection.getresponse() as response:
                content = _unpacked(_content(response, most), response.getheader("Content-Encoding"), most)
                return Reply(response.status, dict(response.headers.items()), content)
    except HTTPException as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    except (ValueError, zlib.error) as error:
        raise Unreadable(str(error)) from error


class _Timed:
    """What http.client needs of a socket, each step within the time that is left."""

    def __init__(self, socket, left: Callable[[], float]):
        self._socket, self._left = socket, left

    def sendall(self, data) -> None:
        self._socket.settimeout(self._left())
        self._socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._socket, self._left))

    def close(self) -> None:
        """http.client calls this as soon as it has the headers; `post` closes the socket."""


class _Reader(io.RawIOBase):
    def __init__(self, socket, left: Callable[[], float]):
        self._socket, self._left = socket, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self._socket.settimeout(self._left())
        return self._socket.recv_into(buffer)


def _connection(url: SplitResult, timeout: float) -> tuple[HTTPConnection, str]:
    """A connection to the server or to the proxy before it, and the address that the request names."""
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    target = url._replace(scheme="", netloc="", path=url.path or "/", fragment="").geturl()
    named = None if proxy_bypass(url.netloc) else getproxies().get(url.scheme)
    if not named:
        return kind(url.hostname, url.port, timeout=timeout), target
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}" if proxy.username else ""
    headers = {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"} if pair else {}
    if url.scheme == "https":
        connection = kind(proxy.hostname, proxy.port or 80, timeout=timeout)
        connection.set_tunnel(url.hostname, url.port or 443, headers)
        return connection, target
    connection = HTTPConnection(proxy.hostname, proxy.port or 80, timeout=timeout)
    return connection, url._replace(fragment="").geturl()


def _content(response: HTTPResponse, most: int) -> bytes:
    pieces, size = [], 0
    while piece := response.read(65_536):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise TooLong(f"more than {most:,} bytes")
    if response.length:
        raise ConnectionError(f"the connection broke with {response.length:,} bytes still to come")
    return b"".join(pieces)


def _unpacked(body: bytes, encoding: str | None, most: int) -> bytes:
    encoding = (encoding or "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Unreadable("the answer is packed, which was not asked for, and not as gzip")
    unpack = zlib.decompressobj(wbits=47)  # gzip or zlib, as the first bytes say
    content = unpack.decompress(body, most + 1)
    if len(content) > most:
        raise TooLong(f"more than {most:,} bytes when unpacked")
    if not unpack.eof:
        raise Unreadable("the packed answer ends early")
    return content
