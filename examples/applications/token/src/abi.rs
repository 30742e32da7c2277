//! The types that the chain and other applications see.

use std::collections::BTreeMap;

use async_graphql::{Request, Response as Answer};
use linera_sdk::linera_base_types::{Account, AccountOwner, Amount, ContractAbi, ServiceAbi};
use serde::{Deserialize, Serialize};

pub struct TokenAbi;

impl ContractAbi for TokenAbi {
    type Operation = Operation;
    type Response = Response;
}

impl ServiceAbi for TokenAbi {
    type Query = Request;
    type QueryResponse = Answer;
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Parameters {
    /// What people call the token.
    pub ticker: String,
}

/// Who holds how much on the chain that creates the token.
#[derive(Debug, Deserialize, Serialize)]
pub struct Supply {
    pub accounts: BTreeMap<AccountOwner, Amount>,
}

#[derive(Debug, Deserialize, Serialize)]
pub enum Operation {
    Balance {
        owner: AccountOwner,
    },
    Transfer {
        owner: AccountOwner,
        amount: Amount,
        to: Account,
    },
    /// Ask another chain to send from the owner's account there.
    Claim {
        from: Account,
        amount: Amount,
        to: Account,
    },
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub enum Response {
    Done,
    Balance(Amount),
}

#[derive(Debug, Deserialize, Serialize)]
pub enum Message {
    /// Credit `owner`; `source` gets it back when the chain refuses.
    Credit {
        owner: AccountOwner,
        amount: Amount,
        source: AccountOwner,
    },
    /// The owner, who signed, wants this sent from here.
    Withdraw {
        owner: AccountOwner,
        amount: Amount,
        to: Account,
    },
}
