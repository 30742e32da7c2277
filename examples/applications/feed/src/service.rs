#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use std::sync::Arc;

use async_graphql::{EmptySubscription, Object, Request, Response, Result, Schema};
use feed::{latest_of, Entry, FeedAbi, Operation, Post};
use linera_sdk::{
    linera_base_types::{ChainId, WithServiceAbi},
    views::View,
    Service, ServiceRuntime,
};
use state::Feed;

pub struct FeedService {
    state: Arc<Feed>,
    runtime: Arc<ServiceRuntime<Self>>,
}

linera_sdk::service!(FeedService);

impl WithServiceAbi for FeedService {
    type Abi = FeedAbi;
}

impl Service for FeedService {
    type Parameters = ();

    async fn new(runtime: ServiceRuntime<Self>) -> Self {
        let state = Feed::load(runtime.root_view_storage_context())
            .await
            .expect("the state cannot be read");
        FeedService {
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
    state: Arc<Feed>,
}

#[Object]
impl Query {
    /// The latest posts of this chain, newest first.
    async fn posts(&self, #[graphql(default = 20)] latest: usize) -> Result<Vec<Post>> {
        let log = &self.state.posts;
        let mut posts = log.read(latest_of(log.count(), latest)).await?;
        posts.reverse();
        Ok(posts)
    }

    /// The latest posts of the chains that are followed, newest first.
    async fn timeline(&self, #[graphql(default = 20)] latest: usize) -> Result<Vec<Entry>> {
        let log = &self.state.timeline;
        let mut entries = log.read(latest_of(log.count(), latest)).await?;
        entries.reverse();
        Ok(entries)
    }

    /// The chains whose posts come into the timeline.
    async fn followed(&self) -> Result<Vec<ChainId>> {
        Ok(self.state.followed.indices().await?)
    }
}

struct Mutation {
    runtime: Arc<ServiceRuntime<FeedService>>,
}

#[Object]
impl Mutation {
    async fn post(&self, text: String) -> bool {
        self.runtime.schedule_operation(&Operation::Post { text });
        true
    }

    async fn follow(&self, chain_id: ChainId) -> bool {
        self.runtime
            .schedule_operation(&Operation::Follow { chain_id });
        true
    }

    async fn unfollow(&self, chain_id: ChainId) -> bool {
        self.runtime
            .schedule_operation(&Operation::Unfollow { chain_id });
        true
    }
}
