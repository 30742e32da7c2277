//! The types of what goes in and out.

use async_graphql::{Request, Response};
use linera_sdk::linera_base_types::{ContractAbi, ServiceAbi};

use crate::Operation;

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
