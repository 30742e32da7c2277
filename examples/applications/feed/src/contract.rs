#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use feed::{check_text, Entry, FeedAbi, Operation, Post, POSTS};
use linera_sdk::{
    linera_base_types::{ChainId, StreamName, StreamUpdate, WithContractAbi},
    views::{RootView, View},
    Contract, ContractRuntime,
};
use state::Feed;

pub struct FeedContract {
    state: Feed,
    runtime: ContractRuntime<Self>,
}

linera_sdk::contract!(FeedContract);

impl WithContractAbi for FeedContract {
    type Abi = FeedAbi;
}

impl Contract for FeedContract {
    type Message = ();
    type Parameters = ();
    type InstantiationArgument = ();
    type EventValue = Post;

    async fn load(runtime: ContractRuntime<Self>) -> Self {
        let state = Feed::load(runtime.root_view_storage_context())
            .await
            .expect("the state cannot be read");
        FeedContract { state, runtime }
    }

    async fn instantiate(&mut self, _argument: ()) {
        self.runtime.application_parameters();
    }

    async fn execute_operation(&mut self, operation: Operation) {
        match operation {
            Operation::Post { text } => self.post(text),
            Operation::Follow { chain_id } => self.follow(chain_id),
            Operation::Unfollow { chain_id } => self.unfollow(chain_id),
        }
    }

    async fn execute_message(&mut self, _message: ()) {
        panic!("posts travel as events");
    }

    async fn process_streams(&mut self, updates: Vec<StreamUpdate>) {
        for update in updates {
            for index in update.new_indices() {
                let name = update.stream_id.stream_name.clone();
                let post = self.runtime.read_event(update.chain_id, name, index);
                self.state.timeline.push(Entry {
                    chain_id: update.chain_id,
                    index,
                    post,
                });
            }
        }
    }

    async fn store(mut self) {
        self.state
            .save()
            .await
            .expect("the state cannot be written");
    }
}

impl FeedContract {
    fn post(&mut self, text: String) {
        if let Err(reason) = check_text(&text) {
            panic!("{reason}");
        }
        let time = self.runtime.system_time();
        let post = Post { text, time };
        self.runtime.emit(StreamName::from(POSTS), &post);
        self.state.posts.push(post);
    }

    fn follow(&mut self, chain_id: ChainId) {
        assert!(
            chain_id != self.runtime.chain_id(),
            "a chain need not follow itself"
        );
        let application = self.runtime.application_id().forget_abi();
        self.runtime
            .subscribe_to_events(chain_id, application, StreamName::from(POSTS));
        let noted = self.state.followed.insert(&chain_id);
        noted.expect("the followed chains cannot be written");
    }

    fn unfollow(&mut self, chain_id: ChainId) {
        let application = self.runtime.application_id().forget_abi();
        self.runtime
            .unsubscribe_from_events(chain_id, application, StreamName::from(POSTS));
        let noted = self.state.followed.remove(&chain_id);
        noted.expect("the followed chains cannot be written");
    }
}
