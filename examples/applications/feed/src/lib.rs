//! Posts on one's own chain, and the posts of other chains in one's own timeline.

use async_graphql::{Request, Response, SimpleObject};
use linera_sdk::linera_base_types::{ChainId, ContractAbi, ServiceAbi, Timestamp};
use serde::{Deserialize, Serialize};

/// The event stream of every chain's posts.
pub const POSTS: &[u8] = b"posts";

/// Bytes of one post.
pub const LONGEST_POST: usize = 1_000;

pub struct FeedAbi;

impl ContractAbi for FeedAbi {
    type Operation = Operation;
    type Response = ();
}

impl ServiceAbi for FeedAbi {
    type Query = Request;
    type QueryResponse = Response;
}

#[derive(Debug, Deserialize, Serialize)]
pub enum Operation {
    Post { text: String },
    Follow { chain_id: ChainId },
    Unfollow { chain_id: ChainId },
}

#[derive(Clone, Debug, Deserialize, Serialize, SimpleObject)]
pub struct Post {
    pub text: String,
    pub time: Timestamp,
}

/// A post of another chain.
#[derive(Clone, Debug, Deserialize, Serialize, SimpleObject)]
pub struct Entry {
    pub chain_id: ChainId,
    pub index: u32,
    pub post: Post,
}
