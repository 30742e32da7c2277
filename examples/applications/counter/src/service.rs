#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use std::sync::Arc;

use async_graphql::{EmptySubscription, Object, Request, Response, Schema};
use counter::{CounterAbi, Operation, Parameters};
use linera_sdk::{
    linera_base_types::{ChainId, WithServiceAbi},
    views::View,
    Service, ServiceRuntime,
};
use state::Counter;

pub struct CounterService {
    state: Arc<Counter>,
    runtime: Arc<ServiceRuntime<Self>>,
}

linera_sdk::service!(CounterService);

impl WithServiceAbi for CounterService {
    type Abi = CounterAbi;
}

impl Service for CounterService {
    type Parameters = Parameters;

    async fn new(runtime: ServiceRuntime<Self>) -> Self {
        let state = Counter::load(runtime.root_view_storage_context())
            .await
            .expect("the state cannot be read");
        CounterService {
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

struct Query {
    state: Arc<Counter>,
    runtime: Arc<ServiceRuntime<CounterService>>,
}

#[Object]
impl Query {
    /// The number on this chain.
    async fn value(&self) -> u64 {
        *self.state.number.get()
    }

    /// What the number of no chain may exceed.
    async fn limit(&self) -> u64 {
        self.runtime.application_parameters().limit
    }
}

struct Mutation {
    runtime: Arc<ServiceRuntime<CounterService>>,
}

#[Object]
impl Mutation {
    /// Count on.
    async fn add(&self, amount: u64) -> bool {
        self.runtime.schedule_operation(&Operation::Add(amount));
        true
    }

    /// Take from this chain and add to another.
    async fn move_to(&self, amount: u64, chain_id: ChainId) -> bool {
        self.runtime.schedule_operation(&Operation::Move {
            amount,
            to: chain_id,
        });
        true
    }
}
