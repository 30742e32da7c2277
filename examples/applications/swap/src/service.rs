#![cfg_attr(target_arch = "wasm32", no_main)]

use std::sync::Arc;

use async_graphql::{EmptySubscription, Object, Request, Response, Schema, SimpleObject};
use linera_sdk::{
    linera_base_types::{AccountOwner, Amount, ChainId, Timestamp, WithServiceAbi},
    Service, ServiceRuntime,
};
use swap::{Operation, Parameters, Side, SwapAbi};

pub struct SwapService {
    runtime: Arc<ServiceRuntime<Self>>,
}

linera_sdk::service!(SwapService);

impl WithServiceAbi for SwapService {
    type Abi = SwapAbi;
}

impl Service for SwapService {
    type Parameters = Parameters;

    async fn new(runtime: ServiceRuntime<Self>) -> Self {
        SwapService {
            runtime: Arc::new(runtime),
        }
    }

    async fn handle_query(&self, request: Request) -> Response {
        let query = Query {
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

/// What one owner brings.
#[derive(SimpleObject)]
struct Promise {
    owner: AccountOwner,
    home_chain_id: ChainId,
    token: String,
    amount: Amount,
}

impl From<Side> for Promise {
    fn from(side: Side) -> Self {
        Promise {
            owner: side.home.owner,
            home_chain_id: side.home.chain_id,
            token: side.token.forget_abi().to_string(),
            amount: side.amount,
        }
    }
}

struct Query {
    runtime: Arc<ServiceRuntime<SwapService>>,
}

#[Object]
impl Query {
    async fn first(&self) -> Promise {
        self.runtime.application_parameters().first.into()
    }

    async fn second(&self) -> Promise {
        self.runtime.application_parameters().second.into()
    }

    /// Exchanges come before it, refunds from it on; in microseconds since 1970.
    async fn deadline(&self) -> Timestamp {
        self.runtime.application_parameters().deadline
    }
}

struct Mutation {
    runtime: Arc<ServiceRuntime<SwapService>>,
}

#[Object]
impl Mutation {
    /// Both get what they want, and the chain ends.
    async fn exchange(&self) -> bool {
        self.runtime.schedule_operation(&Operation::Exchange);
        true
    }

    /// Both get back what they brought, and the chain ends.
    async fn refund(&self) -> bool {
        self.runtime.schedule_operation(&Operation::Refund);
        true
    }
}
