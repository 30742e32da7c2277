//! A fungible token: an account of any owner on any chain, and messages between them.
//!
//! Who may do what is decided here and needs no chain; `abi` has the types that need the SDK.

#[cfg(target_arch = "wasm32")]
mod abi;

#[cfg(target_arch = "wasm32")]
pub use abi::{Message, Operation, Parameters, Response, Supply, TokenAbi};

/// Whether an account may be used: by its owner, who signs the block or is the application that
/// calls.
pub fn may_use<Owner: PartialEq>(
    account: &Owner,
    signer: Option<&Owner>,
    caller: Option<&Owner>,
) -> bool {
    signer == Some(account) || caller == Some(account)
}

/// Who gets the tokens of a message: their recipient, or their source when they come back.
pub fn receiver<Owner>(recipient: Owner, source: Owner, comes_back: bool) -> Owner {
    if comes_back {
        source
    } else {
        recipient
    }
}

#[cfg(test)]
mod tests {
    use super::{may_use, receiver};

    const ALICE: &str = "alice";
    const BOB: &str = "bob";
    const SWAP: &str = "the swap";

    #[test]
    fn who_signs_uses_their_own_account() {
        assert!(may_use(&ALICE, Some(&ALICE), None));
        assert!(!may_use(&ALICE, Some(&BOB), None));
    }

    #[test]
    fn an_application_uses_its_own_account_whoever_signs() {
        assert!(may_use(&SWAP, Some(&ALICE), Some(&SWAP)));
        assert!(!may_use(&BOB, Some(&ALICE), Some(&SWAP)));
    }

    #[test]
    fn who_signs_uses_their_account_through_an_application() {
        assert!(may_use(&ALICE, Some(&ALICE), Some(&SWAP)));
    }

    #[test]
    fn a_block_that_nobody_signs_uses_no_account() {
        assert!(!may_use(&ALICE, None, None));
    }

    #[test]
    fn tokens_that_come_back_go_to_their_source() {
        assert_eq!(receiver(BOB, ALICE, false), BOB);
        assert_eq!(receiver(BOB, ALICE, true), ALICE);
    }
}
