//! A number on every chain. It can be moved from one chain to another, up to a limit.
//!
//! The rules are here and need no chain; `abi` has the types that need the SDK.

#[cfg(target_arch = "wasm32")]
mod abi;

#[cfg(target_arch = "wasm32")]
pub use abi::{CounterAbi, Moved, Operation};
use serde::{Deserialize, Serialize};

/// The same on every chain.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Parameters {
    /// The number of no chain may exceed this; a chain refuses what would.
    pub limit: u64,
}

impl Parameters {
    /// The number that counting on makes of another; none where it would exceed the limit.
    pub fn add(&self, number: u64, amount: u64) -> Option<u64> {
        number
            .checked_add(amount)
            .filter(|number| *number <= self.limit)
    }
}

/// What stays of a number when a part moves away; none where there is less.
pub fn take(number: u64, amount: u64) -> Option<u64> {
    number.checked_sub(amount)
}

/// The number with a part that was refused elsewhere. The part was here before, so it fits whatever
/// the limit says.
pub fn take_back(number: u64, amount: u64) -> u64 {
    number.saturating_add(amount)
}

#[cfg(test)]
mod tests {
    use super::{take, take_back, Parameters};

    const PARAMETERS: Parameters = Parameters { limit: 10 };

    #[test]
    fn a_number_grows_up_to_the_limit() {
        assert_eq!(PARAMETERS.add(7, 3), Some(10));
        assert_eq!(PARAMETERS.add(7, 4), None);
        assert_eq!(PARAMETERS.add(7, u64::MAX), None);
    }

    #[test]
    fn a_number_beyond_the_limit_grows_no_more() {
        assert_eq!(PARAMETERS.add(take_back(9, 5), 0), None);
    }

    #[test]
    fn no_more_moves_away_than_there_is() {
        assert_eq!(take(5, 5), Some(0));
        assert_eq!(take(5, 6), None);
    }

    #[test]
    fn what_comes_back_fits_whatever_the_limit_says() {
        assert_eq!(take_back(9, 5), 14);
        assert_eq!(take_back(u64::MAX, 1), u64::MAX);
    }
}
