//! The types that the chain and other applications see.

use async_graphql::{Request, Response};
use linera_sdk::linera_base_types::{
    Account, Amount, ApplicationId, ContractAbi, ServiceAbi, Timestamp,
};
use serde::{Deserialize, Serialize};
use token::TokenAbi;

use crate::Operation;

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
    /// Exchanges come before it, refunds from it on.
    pub deadline: Timestamp,
}
