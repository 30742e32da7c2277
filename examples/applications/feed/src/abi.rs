//! The types that the chain sees.

use async_graphql::{Request, Response, SimpleObject};
use linera_sdk::linera_base_types::{ChainId, ContractAbi, ServiceAbi, Timestamp};
use serde::{Deserialize, Serialize};

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
