"""``catenula server generate``: keys and configuration of validators, and their committee file."""

import secrets
from hashlib import sha3_256
from pathlib import Path

import click

from catenula.base.crypto import (
    AccountPublicKey,
    AccountSecretKey,
    SignatureScheme,
    ValidatorSecretKey,
)
from catenula.base.crypto.secret_keys import RandomBytes
from catenula.base.errors import DecodeError, LocalError
from catenula.cli.command import Invocation, command
from catenula.client.files.atomic import PUBLIC_MODE, write_atomically
from catenula.client.files.genesis_json import CommitteeMember, committee_text
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import EVERYWHERE, ServerConfig, save_configuration
from catenula.validator.files import read_text_file, write_private_file
from catenula.validator.reference_files import (
    ValidatorOptions,
    read_validator_options,
    server_json,
)

_OWN_FORM = ".toml"


class _Seeded:
    """Bytes that anybody can compute from the seed: for tests of other programs only."""

    def __init__(self, seed: int) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += sha3_256(f"{self._seed}/{self._count}".encode()).digest()
            self._count += 1
        return data[:count]


@command(short_help="Make keys and configuration of validators.")
@click.option(
    "--validators",
    "first",
    required=True,
    metavar="FILE…",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Options of each validator (TOML); several files may follow.",
)
@click.argument("others", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--committee",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the committee file here, for `create-genesis-config`.",
)
@click.option(
    "--testing-prng-seed", "seed", type=int, help="Make keys that anybody can guess, for tests."
)
def generate(
    invocation: Invocation,
    first: Path,
    others: tuple[Path, ...],
    committee: Path | None,
    seed: int | None,
) -> None:
    """Make the keys of one or more validators, and a configuration file for each.

    Each options file names, as ``server_config_path``, the file to write: in the reference's form,
    or in our commented one where the name ends in .toml. Prints the public key and the account key
    of each validator, one line each. The account key's secret is not kept, as in the reference.
    """
    random_bytes: RandomBytes = secrets.token_bytes if seed is None else _Seeded(seed)
    members = [_generate(path, random_bytes) for path in (first, *others)]
    if committee is not None:
        write_atomically(committee, committee_text(members), mode=PUBLIC_MODE)
    for member in members:
        data = {
            "public_key": str(member.public_key),
            "account_key": str(member.account_key),
            "address": member.address,
        }
        invocation.output.item(data, f"{member.public_key},{member.account_key}")


def _generate(path: Path, random_bytes: RandomBytes) -> CommitteeMember:
    try:
        options = read_validator_options(read_text_file(path, "the options of a validator"))
    except DecodeError as error:
        raise LocalError(
            f"{path} does not describe a validator: {error.message()}", retryable=False
        ) from error
    secret = ValidatorSecretKey.generate(random_bytes)
    account = AccountSecretKey.generate(SignatureScheme.ED25519, random_bytes).public_key()
    target = Path(options.server_config_path)
    if target.suffix == _OWN_FORM:
        save_configuration(_own_configuration(options, secret, account), target)
    else:
        write_private_file(target, server_json(options, secret, account))
    return CommitteeMember(secret.public_key(), account, str(options.address))


def _own_configuration(
    options: ValidatorOptions, secret: ValidatorSecretKey, account: AccountPublicKey
) -> ServerConfig:
    proxy = options.proxies[0]
    return ServerConfig(
        secret,
        account,
        options.address,
        HostPort(EVERYWHERE, proxy.public_port),
        workers=len(options.shards),
        metrics=HostPort(EVERYWHERE, proxy.metrics_port) if proxy.metrics_port else None,
    )
