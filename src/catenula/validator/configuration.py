"""The configuration of one validator, and our own commented TOML form of it.

A configuration holds the key that signs votes: files are 0600, and neither ``repr`` nor an error
shows it. The reference's files are read and written by `catenula.validator.reference_files`;
`load_configuration` takes either.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field

from catenula.base.crypto import AccountPublicKey, ValidatorSecretKey
from catenula.base.errors import DecodeError, LocalError
from catenula.base.limits import MAX_WORKERS
from catenula.transport.addresses import NetworkAddress
from catenula.validator.addresses import HostPort
from catenula.validator.files import read_text_file, write_private_file

if TYPE_CHECKING:
    from catenula.transport.public_port import TlsFiles

T = TypeVar("T")

FORMAT = 1
LOG_FORMS = ("human", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")
EVERYWHERE = "0.0.0.0"  # The address is published: clients come from anywhere.

_SECRET_TEXT = re.compile(r"[0-9a-fA-F]{48,64}")


class LogOptions(Struct, frozen=True):
    """What is logged and in which form."""

    form: str = "human"
    level: str = "info"


class ServerConfig(Struct, frozen=True):
    """Everything that makes a validator a process or several.

    ``address`` is what the committee publishes; ``listen`` is where the public port opens.
    ``worker_addresses`` are set only when the workers talk over TCP; then there is one per worker.
    ``certificate`` and ``private_key`` are PEM files, both or neither.
    """

    secret: ValidatorSecretKey
    account_key: AccountPublicKey
    address: NetworkAddress
    listen: HostPort
    certificate: Path | None = None
    private_key: Path | None = None
    workers: int = 1
    worker_addresses: tuple[HostPort, ...] = ()
    metrics: HostPort | None = None
    logs: LogOptions = field(default=LogOptions())

    @property
    def public_key(self) -> str:
        """The validator's public key in hex."""
        return str(self.secret.public_key())

    def tls_files(self) -> "TlsFiles | None":
        """What the public port needs to speak TLS; None when it does not."""
        if self.certificate is None or self.private_key is None:
            return None
        from catenula.transport.public_port import TlsFiles

        return TlsFiles(self.certificate, self.private_key)


def check_configuration(config: ServerConfig) -> ServerConfig:
    """The configuration, or `LocalError` for one that cannot work."""
    if (config.certificate is None) != (config.private_key is None):
        raise _unusable("certificate and private_key belong together: give both or neither")
    if not 1 <= config.workers <= MAX_WORKERS:
        raise _unusable(f"the number of workers must be between 1 and {MAX_WORKERS}")
    if config.worker_addresses and len(config.worker_addresses) != config.workers:
        raise _unusable(
            f"there are {len(config.worker_addresses)} worker addresses for {config.workers} "
            "workers: give one for each, or none for sockets on this machine"
        )
    return config


def _unusable(text: str) -> LocalError:
    return LocalError(f"the validator's configuration cannot be used: {text}", retryable=False)


def load_configuration(path: Path) -> ServerConfig:
    """Read a validator's configuration: our TOML, or the reference's ``server.json``.

    Raises `LocalError` that names the file, the place in it and what would be right.
    """
    text = read_text_file(path, "the validator's configuration")
    try:
        if text.lstrip().startswith("{"):
            from catenula.validator.reference_files import read_server_json

            config = read_server_json(text)
        else:
            config = read_own_form(text, path.absolute().parent)
    except (DecodeError, tomllib.TOMLDecodeError) as error:
        raise LocalError(
            f"{path} is not a validator's configuration: {hide_secrets(str(error))}; "
            "`catenula server generate` writes a right one",
            retryable=False,
            path=str(path),
        ) from None  # The cause may show a part of the file, and with it the key.
    return check_configuration(config)


def hide_secrets(text: str) -> str:
    """A text without anything that looks like a secret key."""
    return _SECRET_TEXT.sub("(hidden)", text)


class Table:
    """A table of a TOML file whose entries are taken one by one; what is left is an error."""

    def __init__(self, values: Mapping[str, Any], name: str = "") -> None:
        self._values, self._name = dict(values), name

    def _place(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def take(self, key: str, read: Callable[[Any], T]) -> T:
        """The entry of that name; `DecodeError` when it is missing or unreadable."""
        if key not in self._values:
            raise DecodeError("MissingField", field=self._place(key))
        value = self._values.pop(key)
        try:
            return read(value)
        except (TypeError, ValueError, AttributeError) as error:
            raise DecodeError("InvalidValue", field=self._place(key)) from error
        except DecodeError as error:
            reason = hide_secrets(error.message())
            raise DecodeError("InvalidValue", field=self._place(key), reason=reason) from None

    def take_or(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """As `take`, or the default when there is no such entry."""
        return self.take(key, read) if key in self._values else default

    def table(self, key: str) -> "Table":
        """The table of that name, empty when it is not there."""
        return self.take_or(key, lambda value: Table(_mapping(value), self._place(key)), Table({}))

    def finish(self) -> None:
        """Refuse entries that nobody took."""
        if self._values:
            raise DecodeError("UnknownField", field=self._place(min(self._values)))


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DecodeError("InvalidValue", expected="a table")
    return value


def text_of(value: Any) -> str:
    """A text, else `DecodeError`."""
    if not isinstance(value, str):
        raise DecodeError("InvalidValue", expected="a text in quotes")
    return value


def number_of(value: Any) -> int:
    """A number, else `DecodeError`."""
    if type(value) is not int:
        raise DecodeError("InvalidValue", found=value, expected="a whole number")
    return value


def _one_of(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise DecodeError("InvalidValue", found=value, expected=" or ".join(allowed))
        return str(value)

    return read


def read_own_form(text: str, folder: Path) -> ServerConfig:
    """Read our TOML form; relative paths are below ``folder``. Raises `DecodeError`."""
    root = Table(tomllib.loads(text))
    found = root.take("format", number_of)
    if found != FORMAT:
        raise DecodeError("UnknownFormat", found=found, expected=FORMAT)
    secret = root.take("secret_key", ValidatorSecretKey.from_json)
    public_key = root.take_or("public_key", text_of, str(secret.public_key()))
    if public_key != str(secret.public_key()):
        raise DecodeError("InconsistentKeys", public_key=public_key, belongs_to="another secret")
    account_key = root.take("account_key", AccountPublicKey.parse)
    public, workers = root.table("public"), root.table("workers")
    metrics, logs = root.table("metrics"), root.table("logs")
    address = public.take("address", NetworkAddress.parse)
    nowhere: tuple[HostPort, ...] = ()
    addresses = workers.take_or("addresses", _addresses, nowhere)
    config = ServerConfig(
        secret,
        account_key,
        address,
        public.take_or("listen", HostPort.parse, HostPort(EVERYWHERE, address.port)),
        certificate=public.take_or("certificate", lambda name: folder / name, None),
        private_key=public.take_or("private_key", lambda name: folder / name, None),
        workers=workers.take_or("count", number_of, max(len(addresses), 1)),
        worker_addresses=addresses,
        metrics=metrics.take_or("listen", HostPort.parse, None),
        logs=LogOptions(
            logs.take_or("form", _one_of(LOG_FORMS), "human"),
            logs.take_or("level", _one_of(LOG_LEVELS), "info"),
        ),
    )
    for table in (root, public, workers, metrics, logs):
        table.finish()
    return config


def _addresses(values: Any) -> tuple[HostPort, ...]:
    return tuple(HostPort.parse(value) for value in values)


def own_form(config: ServerConfig) -> str:
    """The commented TOML of a configuration."""
    return _TEMPLATE.format(
        format=FORMAT,
        public_key=config.public_key,
        secret_key=config.secret.to_json(),
        account_key=config.account_key,
        address=config.address,
        listen=config.listen,
        certificate=_entry("certificate", config.certificate, "certificate.pem"),
        private_key=_entry("private_key", config.private_key, "private_key.pem"),
        workers=config.workers,
        addresses=_list_entry(config.worker_addresses),
        metrics=_entry("listen", config.metrics, "127.0.0.1:21100"),
        form=config.logs.form,
        level=config.logs.level,
    )


def _entry(name: str, value: object, example: str) -> str:
    return f'# {name} = "{example}"' if value is None else f'{name} = "{value}"'


def _list_entry(addresses: tuple[HostPort, ...]) -> str:
    if not addresses:
        return '# addresses = ["127.0.0.1:19101", "127.0.0.1:19102"]'
    quoted = ", ".join(f'"{address}"' for address in addresses)
    return f"addresses = [{quoted}]"


def save_configuration(config: ServerConfig, path: Path) -> None:
    """Write our TOML form, readable by its owner only."""
    write_private_file(path, own_form(check_configuration(config)))


_TEMPLATE = """\
# A validator of a Catenula network. This file holds a SECRET: keep it readable by you only.
format = {format}

# The key that signs votes. Two running validators must never share it.
public_key = "{public_key}"
secret_key = "{secret_key}"
# The account key of the validator, as published in the committee.
account_key = "{account_key}"

[public]
# What the committee publishes: grpc (clear text) or grpcs (TLS), host, port.
address = "{address}"
# Where the one public port opens: gRPC, gRPC-Web, health and reflection.
listen = "{listen}"
# PEM files, relative to this one; with both, the port speaks TLS. Leave them out behind a proxy
# that does.
{certificate}
{private_key}

[workers]
# Chains are shared out among so many workers. The number may change between starts.
count = {workers}
# With `--processes` the workers talk over sockets in a private folder. Give addresses to let them
# talk over TCP instead; whoever does not know a secret derived from the key above is refused.
{addresses}

[metrics]
# Prometheus metrics at /metrics; off unless an address is given.
{metrics}

[logs]
form = "{form}"    # human, or json: one object per line
level = "{level}"  # debug, info, warning, error
"""
