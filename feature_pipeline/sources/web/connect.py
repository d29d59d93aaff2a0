"""Connections only to addresses that were checked, each with one deadline for everything done over it.

A host name is looked up once, here, at the moment of connecting: what was checked is what is connected to, whatever DNS
says next. Knows nothing of pages, robots or retries.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore
import httpx

Resolver = Callable[[str, int], list[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Refused even where private addresses are allowed: cloud metadata, link-local, multicast and what routes nowhere.
NEVER = [
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.0/24", "224.0.0.0/3"),
        *("::/128", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128"),
        *("64:ff9b:1::/48", "2001::/32"),  # NAT64 for local use, Teredo: the address inside cannot be checked
    )
]
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class BlockedAddressError(Exception):
    """The host has no address that may be connected to."""


def system_resolver(host: str, port: int) -> list[str]:
    """Also turns decimal, octal and hex forms into the address they mean."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def may_connect(address: str, allow_private: bool) -> bool:
    try:
        ip: Address = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    return all(_permitted(each, allow_private) for each in (ip, *_embedded(ip)))


def _permitted(ip: Address, allow_private: bool) -> bool:
    if any(ip.version == network.version and ip in network for network in NEVER):
        return False
    return ip.is_global or allow_private


def _embedded(ip: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 address that a mapped, compatible, 6to4 or NAT64 address leads to."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return
    if ip.ipv4_mapped:
        yield ip.ipv4_mapped
    elif 1 < int(ip) < 2**32 or ip in NAT64:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    elif ip.sixtofour:
        yield ip.sixtofour


class CheckedTransport(httpx.BaseTransport):
    """httpx over httpcore, with our network beneath it. Set `deadline` (of time.monotonic) before each request."""

    def __init__(self, resolve: Resolver, allow_private: bool) -> None:
        self._network = _CheckedNetwork(resolve, allow_private)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(), network_backend=self._network, max_connections=4
        )

    @property
    def deadline(self) -> float:
        return self._network.deadline

    @deadline.setter
    def deadline(self, at: float) -> None:
        self._network.deadline = at

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._answer.stream, Iterable)
        yield from self._answer.stream

    def close(self) -> None:
        self._answer.close()


class _CheckedNetwork(httpcore.NetworkBackend):
    def __init__(self, resolve: Resolver, allow_private: bool) -> None:
        self.resolve, self.allow_private = resolve, allow_private
        self.deadline = float("inf")
        self._sockets = httpcore.SyncBackend()

    def left(self, timeout: float | None = None) -> float:
        """Seconds until the deadline: a byte every few seconds must not reset the clock."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return min(seconds, timeout) if timeout is not None else seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self.resolve(host, port)
        permitted = [address for address in addresses if may_connect(address, self.allow_private)]
        if not permitted:
            raise BlockedAddressError(host if addresses == [host] else f"{host} is {', '.join(addresses) or 'nowhere'}")
        for address in permitted:
            try:
                stream = self._sockets.connect_tcp(address, port, self.left(timeout), local_address, socket_options)
                return _TimedStream(stream, self)
            except httpcore.ConnectError as error:
                refused = error
        raise refused


class _TimedStream(httpcore.NetworkStream):
    """Every read, write and handshake has what is left of the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, network: _CheckedNetwork) -> None:
        self._stream, self._network = stream, network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._network.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._network.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._network.left(timeout))
        return _TimedStream(stream, self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
