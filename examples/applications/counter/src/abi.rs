//! The types that the chain sees.

use async_graphql::{Request, Response};
use linera_sdk::linera_base_types::{ChainId, ContractAbi, ServiceAbi};
use serde::{Deserialize, Serialize};

pub struct CounterAbi;

impl ContractAbi for CounterAbi {
    type Operation = Operation;
    /// The number after the operation.
    type Response = u64;
}

impl ServiceAbi for CounterAbi {
    type Query = Request;
    type QueryResponse = Response;
}

#[derive(Debug, Deserialize, Serialize)]
pub enum Operation {
    /// Count on.
    Add(u64),
    /// Take from here and add there; comes back when the other chain refuses.
    Move { amount: u64, to: ChainId },
}

#[derive(Debug, Deserialize, Serialize)]
pub struct Moved(pub u64);
