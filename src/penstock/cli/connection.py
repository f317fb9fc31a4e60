"""A gRPC connection from a command to a running server."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer

from penstock.errors import ConfigError, ModelNotFoundError, PenstockError

__all__ = ["DEFAULT_ADDRESS", "AddressOption", "CaOption", "CertificateOption", "Connection", "KeyOption"]

DEFAULT_ADDRESS = "127.0.0.1:8001"
CONNECT_TIMEOUT_S = 10.0

AddressOption = Annotated[
    str, typer.Option("--address", "-a", metavar="HOST:PORT", help="gRPC address of the server.")
]
CaOption = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="Use TLS, and trust this authority (PEM).")
]
CertificateOption = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="Client certificate for mutual TLS (PEM)."),
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Key of the client certificate (PEM).")
]


class Connection:
    """Calls the inference service of one server. A context manager.

    Parameters
    ----------
    address : str
        ``host:port``.
    ca, certificate, key : Path, optional
        PEM files. With ``ca`` the connection uses TLS.

    Raises
    ------
    ConfigError
        When a file cannot be read, or a certificate comes without ``ca`` or key.
    """

    def __init__(
        self, address: str, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        import grpc

        if (certificate is None) != (key is None) or (ca is None and key is not None):
            raise ConfigError("--certificate and --key go together, with --ca")
        self.address = address
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        if ca is None:
            self._channel = grpc.insecure_channel(address, options)
        else:
            credentials = grpc.ssl_channel_credentials(_read(ca), _read(key), _read(certificate))
            self._channel = grpc.secure_channel(address, credentials, options)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def call(self, method: str, timeout_s: float | None = CONNECT_TIMEOUT_S, **fields: Any) -> Any:
        """Call a unary method of ``inference.GRPCInferenceService`` and return its response.

        Parameters
        ----------
        method : str
            For example ``"RepositoryIndex"``.
        timeout_s : float, optional
            None waits for as long as it takes.
        **fields
            Of the request message.

        Raises
        ------
        ModelNotFoundError
            When the server does not know the model or version.
        PenstockError
            When the server cannot be reached or refuses; the message says why.
        """
        import grpc

        from penstock.protos import SERVICE, message_class

        description = SERVICE.methods_by_name[method]
        invoke = self._channel.unary_unary(
            f"/{SERVICE.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_class(description.output_type.name).FromString,
        )
        try:
            return invoke(message_class(description.input_type.name)(**fields), timeout=timeout_s)
        except grpc.RpcError as error:
            raise _explain(self.address, error) from None


def _explain(address: str, error: Any) -> PenstockError:
    import grpc

    details = error.details() or error.code().name
    if error.code() == grpc.StatusCode.NOT_FOUND:
        return ModelNotFoundError(details)
    if error.code() == grpc.StatusCode.UNAVAILABLE and "connect" in details:
        return PenstockError(f"no server answers at {address}; start one with: penstock serve DIR")
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return PenstockError(f"the server at {address} did not answer in time")
    return PenstockError(f"{details} ({error.code().name})")


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
