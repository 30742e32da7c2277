//! Two owners exchange two tokens on a chain made for it: both or neither get what they want.
//!
//! Each owner sends their tokens to the account of this application on the chain of the swap. Once
//! both are there either may exchange, until a deadline that both agreed to; from then on either may
//! have everything sent back. Both end the chain, so there is one end and it happens once.
//!
//! The rules are here and need no chain; `abi` has the types that need the SDK.

#[cfg(target_arch = "wasm32")]
mod abi;

#[cfg(target_arch = "wasm32")]
pub use abi::{Parameters, Side, SwapAbi};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Operation {
    /// Both get what they want; what came beyond that goes home.
    Exchange,
    /// Both get back what they brought.
    Refund,
}

impl Operation {
    /// Refuse what is not to be done in a block of this time; both in microseconds since 1970.
    ///
    /// There is no time at which both can be done, so nobody loses an exchange to a refund.
    pub fn check_time(self, now: u64, deadline: u64) -> Result<(), &'static str> {
        match self {
            Operation::Exchange if now >= deadline => Err("the deadline has passed"),
            Operation::Refund if now < deadline => Err("the deadline has not passed yet"),
            _ => Ok(()),
        }
    }
}

/// Where the tokens that one owner brought go in an exchange.
#[derive(Debug, Eq, PartialEq)]
pub struct Split {
    /// To the other owner.
    pub price: u128,
    /// Back to who brought it.
    pub surplus: u128,
}

impl Split {
    /// Take the price from what is here; where that is too little, how much is missing.
    pub fn of(here: u128, price: u128) -> Result<Split, u128> {
        let surplus = here.checked_sub(price).ok_or_else(|| price - here)?;
        Ok(Split { price, surplus })
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation::*, Split};

    const DEADLINE: u64 = 1_700_000_000_000_000;

    #[test]
    fn an_exchange_has_its_time_before_the_deadline() {
        assert_eq!(Exchange.check_time(DEADLINE - 1, DEADLINE), Ok(()));
        for late in [DEADLINE, DEADLINE + 1] {
            let refusal = Exchange.check_time(late, DEADLINE);
            assert_eq!(refusal, Err("the deadline has passed"));
        }
    }

    #[test]
    fn a_refund_has_its_time_from_the_deadline_on() {
        let refusal = Refund.check_time(DEADLINE - 1, DEADLINE);
        assert_eq!(refusal, Err("the deadline has not passed yet"));
        for late in [DEADLINE, u64::MAX] {
            assert_eq!(Refund.check_time(late, DEADLINE), Ok(()));
        }
    }

    #[test]
    fn the_price_goes_to_the_other_and_the_rest_back() {
        let exact = Split {
            price: 60,
            surplus: 0,
        };
        assert_eq!(Split::of(60, 60), Ok(exact));
        let more = Split {
            price: 60,
            surplus: 15,
        };
        assert_eq!(Split::of(75, 60), Ok(more));
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(Split::of(3, 4), Err(1));
        assert_eq!(Split::of(0, u128::MAX), Err(u128::MAX));
    }
}
