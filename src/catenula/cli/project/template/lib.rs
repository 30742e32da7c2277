//! What the contract, the service and everybody who talks to them agree on.

use async_graphql::{Request, Response};
use linera_sdk::linera_base_types::{ContractAbi, ServiceAbi};
use serde::{Deserialize, Serialize};

pub struct {{Type}}Abi;

impl ContractAbi for {{Type}}Abi {
    type Operation = Operation;
    /// The number after the operation.
    type Response = u64;
}

impl ServiceAbi for {{Type}}Abi {
    type Query = Request;
    type QueryResponse = Response;
}

/// What a block can ask of the contract.
#[derive(Debug, Deserialize, Serialize)]
pub enum Operation {
    /// Add to the number of this chain.
    Add(u64),
}
