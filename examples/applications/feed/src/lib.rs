//! Posts on one's own chain, and the posts of other chains in one's own timeline.
//!
//! The rules are here and need no chain; `abi` has the types that need the SDK.

#[cfg(target_arch = "wasm32")]
mod abi;

use std::ops::RangeFrom;

#[cfg(target_arch = "wasm32")]
pub use abi::{Entry, FeedAbi, Operation, Post};

/// The event stream of every chain's posts.
pub const POSTS: &[u8] = b"posts";

/// Bytes of one post.
pub const LONGEST_POST: usize = 1_000;

/// Refuse a text that cannot be posted.
pub fn check_text(text: &str) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("the post is empty"),
        1..=LONGEST_POST => Ok(()),
        _ => Err("the post is too long"),
    }
}

/// Where the latest entries of a log begin.
pub fn latest_of(count: usize, latest: usize) -> RangeFrom<usize> {
    count.saturating_sub(latest)..
}

#[cfg(test)]
mod tests {
    use super::{check_text, latest_of, LONGEST_POST};

    #[test]
    fn a_post_says_something() {
        assert_eq!(check_text("Hello."), Ok(()));
        assert_eq!(check_text(""), Err("the post is empty"));
    }

    #[test]
    fn a_post_is_measured_in_bytes() {
        assert_eq!(check_text(&"x".repeat(LONGEST_POST)), Ok(()));
        let half_as_many_letters = "ä".repeat(LONGEST_POST / 2);
        assert_eq!(check_text(&half_as_many_letters), Ok(()));
        let refusal = check_text(&(half_as_many_letters + "x"));
        assert_eq!(refusal, Err("the post is too long"));
    }

    #[test]
    fn the_latest_are_at_the_end() {
        assert_eq!(latest_of(5, 2), 3..);
        assert_eq!(latest_of(5, 5), 0..);
        assert_eq!(latest_of(5, usize::MAX), 0..);
    }
}
