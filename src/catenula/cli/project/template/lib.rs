//! The rules of the application, and what those who talk to it must know. The rules need no chain,
//! so their tests run on this machine.

#[cfg(target_arch = "wasm32")]
mod abi;

#[cfg(target_arch = "wasm32")]
pub use abi::{{Type}}Abi;
use serde::{Deserialize, Serialize};

/// What a block can ask of the contract.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Operation {
    /// Add to the number of this chain.
    Add(u64),
}

impl Operation {
    /// The number that this operation makes of another; none where that would be too large.
    pub fn apply(&self, number: u64) -> Option<u64> {
        match self {
            Operation::Add(amount) => number.checked_add(*amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Operation;

    #[test]
    fn operations_add_to_the_number() {
        assert_eq!(Operation::Add(2).apply(40), Some(42));
    }

    #[test]
    fn an_overflow_is_refused() {
        assert_eq!(Operation::Add(1).apply(u64::MAX), None);
    }
}
