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
        let Operation::Add(amount) = operation;
        let number = self.state.number.get().checked_add(amount);
        self.state.number.set(number.expect("the number is too large"));
        *self.state.number.get()
    }

    async fn execute_message(&mut self, _message: ()) {}

    async fn store(mut self) {
        self.state.save().await.expect("the state cannot be written");
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use linera_sdk::{Contract, ContractRuntime};

    use super::{Operation, {{Type}}Contract};

    fn contract() -> {{Type}}Contract {
        block_on({{Type}}Contract::load(ContractRuntime::new()))
    }

    #[test]
    fn operations_add_to_the_argument() {
        let mut contract = contract();
        block_on(contract.instantiate(40));
        assert_eq!(block_on(contract.execute_operation(Operation::Add(2))), 42);
        assert_eq!(*contract.state.number.get(), 42);
    }

    #[test]
    #[should_panic(expected = "too large")]
    fn an_overflow_is_refused() {
        let mut contract = contract();
        block_on(contract.instantiate(u64::MAX));
        block_on(contract.execute_operation(Operation::Add(1)));
    }
}
