#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use std::sync::Arc;

use async_graphql::{EmptySubscription, Object, Request, Response, Schema};
use linera_sdk::{linera_base_types::WithServiceAbi, views::View, Service, ServiceRuntime};
use state::{{Type}};
use {{crate}}::{Operation, {{Type}}Abi};

pub struct {{Type}}Service {
    state: Arc<{{Type}}>,
    runtime: Arc<ServiceRuntime<Self>>,
}

linera_sdk::service!({{Type}}Service);

impl WithServiceAbi for {{Type}}Service {
    type Abi = {{Type}}Abi;
}

impl Service for {{Type}}Service {
    type Parameters = ();

    async fn new(runtime: ServiceRuntime<Self>) -> Self {
        let state = {{Type}}::load(runtime.root_view_storage_context())
            .await
            .expect("the state cannot be read");
        {{Type}}Service {
            state: Arc::new(state),
            runtime: Arc::new(runtime),
        }
    }

    async fn handle_query(&self, request: Request) -> Response {
        let query = Query {
            state: self.state.clone(),
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
    state: Arc<{{Type}}>,
}

#[Object]
impl Query {
    /// The number on this chain.
    async fn number(&self) -> u64 {
        *self.state.number.get()
    }
}

struct Mutation {
    runtime: Arc<ServiceRuntime<{{Type}}Service>>,
}

#[Object]
impl Mutation {
    /// Add to the number of this chain, in the next block.
    async fn add(&self, amount: u64) -> bool {
        self.runtime.schedule_operation(&Operation::Add(amount));
        true
    }
}
