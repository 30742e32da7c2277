"""Who may propose blocks of a chain, and what applications may do on it (spec 05 §6.1, 02 §7)."""

from collections.abc import Iterable, Mapping
from typing import Self

from catenula.base.codec import Record, SetOf
from catenula.base.identifiers import AccountOwner, ApplicationId
from catenula.base.integers import U32, U64, U64_MAX, TimeDelta

DEFAULT_BASE_TIMEOUT = TimeDelta(10_000_000)
DEFAULT_TIMEOUT_INCREMENT = TimeDelta(1_000_000)
NEVER = TimeDelta(U64_MAX)
DEFAULT_OWNER_WEIGHT = U64(100)
DEFAULT_MULTI_LEADER_ROUNDS = U32(5)


class TimeoutConfig(Record, frozen=True):
    """Durations of rounds in microseconds (spec 05 §6.3)."""

    fast_round_duration: TimeDelta | None = None
    base_timeout: TimeDelta = DEFAULT_BASE_TIMEOUT
    timeout_increment: TimeDelta = DEFAULT_TIMEOUT_INCREMENT
    fallback_duration: TimeDelta = NEVER


class ChainOwnership(Record, frozen=True):
    """Owners of a chain and the shape of its rounds (spec 05 §6)."""

    super_owners: SetOf[AccountOwner] = ()
    owners: Mapping[AccountOwner, U64] = {}
    multi_leader_rounds: U32 = U32(0)
    open_multi_leader_rounds: bool = False
    timeout_config: TimeoutConfig = TimeoutConfig()

    @classmethod
    def single(cls, owner: AccountOwner) -> Self:
        """One regular owner with the default rounds and timeouts."""
        return cls.multiple((owner,))

    @classmethod
    def multiple(
        cls,
        owners: Iterable[AccountOwner],
        *,
        multi_leader_rounds: int = DEFAULT_MULTI_LEADER_ROUNDS,
        timeout_config: TimeoutConfig | None = None,
    ) -> Self:
        """Several regular owners of equal weight."""
        return cls(
            owners=dict.fromkeys(sorted(set(owners)), DEFAULT_OWNER_WEIGHT),
            multi_leader_rounds=U32(multi_leader_rounds),
            timeout_config=timeout_config or TimeoutConfig(),
        )

    @classmethod
    def single_super(cls, owner: AccountOwner) -> Self:
        """One super owner, who may use the fast round."""
        return cls(super_owners=(owner,), multi_leader_rounds=DEFAULT_MULTI_LEADER_ROUNDS)

    def is_active(self) -> bool:
        """Whether anybody can ever propose: an owner, or the validators of a public chain."""
        return bool(self.super_owners or self.owners or self.timeout_config.fallback_duration == 0)

    def is_owner(self, owner: AccountOwner) -> bool:
        """Whether ``owner`` is a regular or a super owner."""
        return owner in self.owners or owner in self.super_owners

    def all_owners(self) -> tuple[AccountOwner, ...]:
        """Super owners, then regular owners."""
        return (*self.super_owners, *self.owners)


class ApplicationPermissions(Record, frozen=True):
    """What applications may do on a chain (spec 02 §7)."""

    execute_operations: tuple[ApplicationId, ...] | None = None
    mandatory_applications: tuple[ApplicationId, ...] = ()
    close_chain: tuple[ApplicationId, ...] = ()
    change_application_permissions: tuple[ApplicationId, ...] = ()
    call_service_as_oracle: tuple[ApplicationId, ...] | None = None
    make_http_requests: tuple[ApplicationId, ...] | None = None
