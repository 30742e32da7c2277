#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use linera_sdk::{
    linera_base_types::WithContractAbi,
    views::{RootView, View},
    Contract, ContractRuntime,
};
use state::{{Type}};
use {{crate}}::{Operation, {{Type}}Abi};

pub struct {{Type}}Contract {
    state: {{Type}},
}

linera_sdk::contract!({{Type}}Contract);

impl WithContractAbi for {{Type}}Contract {
    type Abi = {{Type}}Abi;
}

impl Contract for {{Type}}Contract {
    type Message = ();
    type Parameters = ();
    /// What the creator's chain starts with.
    type InstantiationArgument = u64;
    type EventValue = ();

    async fn load(runtime: ContractRuntime<Self>) -> Self {
        let state = {{Type}}::load(runtime.root_view_storage_context())
            .await
            .expect("the state cannot be read");
        {{Type}}Contract { state }
    }

    async fn instantiate(&mut self, number: u64) {
        self.state.number.set(number);
    }

    async fn execute_operation(&mut self, operation: Operation) -> u64 {
        let number = operation
            .apply(*self.state.number.get())
            .expect("the number is too large");
        self.state.number.set(number);
        number
    }

    async fn execute_message(&mut self, _message: ()) {}

    async fn store(mut self) {
        self.state.save().await.expect("the state cannot be written");
    }
}
