//! Two owners exchange two tokens on a chain made for it: both or neither get what they want.
//!
//! Each owner sends their tokens to the account of this application on the chain of the swap. Once
//! both are there either may exchange; until then either may cancel. Both end the chain.

use async_graphql::{Request, Response};
use linera_sdk::linera_base_types::{Account, Amount, ApplicationId, ContractAbi, ServiceAbi};
use serde::{Deserialize, Serialize};
use token::TokenAbi;

pub struct SwapAbi;

impl ContractAbi for SwapAbi {
    type Operation = Operation;
    type Response = ();
}

impl ServiceAbi for SwapAbi {
    type Query = Request;
    type QueryResponse = Response;
}

/// What one owner brings; `home` is where they get the other's tokens, or their own back.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Side {
    pub home: Account,
    pub token: ApplicationId<TokenAbi>,
    pub amount: Amount,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Parameters {
    pub first: Side,
    pub second: Side,
}

#[derive(Debug, Deserialize, Serialize)]
pub enum Operation {
    Exchange,
    Cancel,
}
