# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One GET of a part of a file, redirects and proxies included. Standard library only."""

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse

import promvil_hf
from promvil_hf.endpoint.pace import retry_after


_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that another try may not meet


class Final(ValueError):
    """This address will not give the file, however often it is asked."""


class Passing(Exception):
    """This try failed and another may not.

    Args:
        why: In words.
        after: Seconds that the server asked to be left alone.
        anew: Whether what came before is of no use.
        unreachable: Whether no connection to the server came about.
    """

    def __init__(self, why: str, after: float | None = None, anew: bool = False, unreachable: bool = False):
        super().__init__(why)
        self.after, self.anew, self.unreachable = after, anew, unreachable


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said before the bytes.

    Args:
        start: Place in the file of the first byte that follows.
        total: Bytes of the whole file, None where the server does not say.
        version: What distinguishes this file from another one under the same address: its strong ETag, or when it was changed.
    """

    start: int
    total: int | None
    version: str
    _body: HTTPResponse

    def read(self, count: int) -> bytes:
        """The next bytes as they come, at most so many; none at the end. Raises Passing where the connection breaks."""
        try:
            return self._body.read1(count)
        except (http.client.HTTPException, OSError) as error:
            raise Passing(f"the connection broke ({type(error).__name__})") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, asked, body, status, message, headers, address):
        safe = ("https://",) if asked.full_url.startswith("https:") else ("https://", "http://")
        if not address.startswith(safe):
            raise Final(f"{asked.full_url} redirects to {address}, which is less safe: it is not followed.")
        return super().redirect_request(asked, body, status, message, headers, address)


def get(url: str, start: int, version: str, timeout: float) -> AbstractContextManager[Answer]:
    """The file from its byte `start` on, or from 0 where the server cannot or the file is no longer of this version.

    Raises Final and Passing.
    """
    request = urllib.request.Request(url, headers=_headers(start, version))
    try:
        response = urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            why = f"{url} answers {error.code} {error.reason}"
            if error.code in _PASSING:
                raise Passing(why, retry_after(error.headers.get("Retry-After"))) from error
            if error.code == 416:
                raise Passing(f"{why}: the file there is shorter than what came before", anew=True) from error
            raise Final(f"{why}.") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise Final(f"{url} shows no valid certificate ({error.reason.verify_message}).") from error
        raise Passing(f"{url} cannot be reached ({error.reason})", unreachable=True) from error
    except (http.client.HTTPException, OSError) as error:
        raise Passing(f"the connection to {url} broke ({type(error).__name__})") from error
    return _answered(url, response, start)


@contextmanager
def _answered(url: str, response: HTTPResponse, start: int) -> Iterator[Answer]:
    with response:
        yield _answer(url, response, start)


def _headers(start: int, version: str) -> dict[str, str]:
    headers = {"User-Agent": f"promvil_hf/{promvil_hf.__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if version:
            headers["If-Range"] = version
    return headers


def _answer(url: str, response: HTTPResponse, start: int) -> Answer:
    if packed := (response.headers.get("Content-Encoding") or "identity").strip().lower().replace("identity", ""):
        raise Final(f"{url} sends the file packed as {packed}, which was not asked for.")
    version = _version(response)
    if response.status == 206:
        part = _RANGE.fullmatch((response.headers.get("Content-Range") or "").strip())
        if not part or int(part[1]) != start:
            raise Final(f"{url} sends another part of the file than the one asked for: it cannot be resumed there.")
        return Answer(start, None if part[3] == "*" else int(part[3]), version, response)
    if response.status != 200:
        raise Final(f"{url} answers {response.status}, which is no file.")
    length = response.headers.get("Content-Length")
    return Answer(0, int(length) if length and length.isdigit() else None, version, response)


def _version(response: HTTPResponse) -> str:
    tag = response.headers.get("ETag") or ""
    return tag if tag.startswith('"') else response.headers.get("Last-Modified") or ""
