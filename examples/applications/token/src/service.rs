#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use std::sync::Arc;

use async_graphql::{EmptySubscription, Object, Request, Response, Schema, SimpleObject};
use linera_sdk::{
    linera_base_types::{Account, AccountOwner, Amount, WithServiceAbi},
    views::View,
    Service, ServiceRuntime,
};
use state::Token;
use token::{Operation, Parameters, TokenAbi};

const MOST_ACCOUNTS: usize = 1_000;

pub struct TokenService {
    state: Arc<Token>,
    runtime: Arc<ServiceRuntime<Self>>,
}

linera_sdk::service!(TokenService);

impl WithServiceAbi for TokenService {
    type Abi = TokenAbi;
}

impl Service for TokenService {
    type Parameters = Parameters;

    async fn new(runtime: ServiceRuntime<Self>) -> Self {
        let state = Token::load(runtime.root_view_storage_context())
            .await
            .expect("the state cannot be read");
        TokenService {
            state: Arc::new(state),
            runtime: Arc::new(runtime),
        }
    }

    async fn handle_query(&self, request: Request) -> Response {
        let query = Query {
            state: self.state.clone(),
            runtime: self.runtime.clone(),
        };
        let mutation = Mutation {
            runtime: self.runtime.clone(),
        };
        Schema::build(query, mutation, EmptySubscription)
            .finish()
            .execute(request)
            .await
    }
}

#[derive(SimpleObject)]
struct Holding {
    owner: AccountOwner,
    balance: Amount,
}

struct Query {
    state: Arc<Token>,
    runtime: Arc<ServiceRuntime<TokenService>>,
}

#[Object]
impl Query {
    /// What people call the token.
    async fn ticker(&self) -> String {
        self.runtime.application_parameters().ticker
    }

    /// What an owner holds on this chain.
    async fn balance(&self, owner: AccountOwner) -> async_graphql::Result<Amount> {
        Ok(self.state.accounts.get(&owner).await?.unwrap_or_default())
    }

    /// The first accounts of this chain that hold something.
    async fn accounts(&self) -> async_graphql::Result<Vec<Holding>> {
        let mut holdings = Vec::new();
        self.state
            .accounts
            .for_each_index_value_while(|owner, balance| {
                holdings.push(Holding {
                    owner,
                    balance: balance.into_owned(),
                });
                Ok(holdings.len() < MOST_ACCOUNTS)
            })
            .await?;
        Ok(holdings)
    }
}

struct Mutation {
    runtime: Arc<ServiceRuntime<TokenService>>,
}

#[Object]
impl Mutation {
    /// Send from an account of this chain.
    async fn transfer(&self, owner: AccountOwner, amount: Amount, to: Account) -> bool {
        self.runtime
            .schedule_operation(&Operation::Transfer { owner, amount, to });
        true
    }

    /// Have another chain send from the owner's account there.
    async fn claim(&self, from: Account, amount: Amount, to: Account) -> bool {
        self.runtime
            .schedule_operation(&Operation::Claim { from, amount, to });
        true
    }
}
