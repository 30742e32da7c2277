#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use counter::{CounterAbi, Moved, Operation, Parameters};
use linera_sdk::{
    linera_base_types::WithContractAbi,
    views::{RootView, View},
    Contract, ContractRuntime,
};
use state::Counter;

pub struct CounterContract {
    state: Counter,
    runtime: ContractRuntime<Self>,
}

linera_sdk::contract!(CounterContract);

impl WithContractAbi for CounterContract {
    type Abi = CounterAbi;
}

impl Contract for CounterContract {
    type Message = Moved;
    type Parameters = Parameters;
    /// What the creator's chain starts with.
    type InstantiationArgument = u64;
    type EventValue = ();

    async fn load(runtime: ContractRuntime<Self>) -> Self {
        let state = Counter::load(runtime.root_view_storage_context())
            .await
            .expect("the state cannot be read");
        CounterContract { state, runtime }
    }

    async fn instantiate(&mut self, start: u64) {
        // Reading the parameters here refuses a bad limit when the application is created.
        self.runtime.application_parameters();
        self.add(start);
    }

    async fn execute_operation(&mut self, operation: Operation) -> u64 {
        match operation {
            Operation::Add(amount) => self.add(amount),
            Operation::Move { amount, to } => {
                let left = self.state.number.get().checked_sub(amount);
                self.state
                    .number
                    .set(left.expect("there is less here than is to be moved"));
                self.runtime
                    .prepare_message(Moved(amount))
                    .with_tracking()
                    .send_to(to);
            }
        }
        *self.state.number.get()
    }

    async fn execute_message(&mut self, Moved(amount): Moved) {
        if self.runtime.message_is_bouncing() == Some(true) {
            // It was here before, so it fits whatever the limit says.
            let number = self.state.number.get_mut();
            *number = number.saturating_add(amount);
        } else {
            self.add(amount);
        }
    }

    async fn store(mut self) {
        self.state.save().await.expect("the state cannot be written");
    }
}

impl CounterContract {
    fn add(&mut self, amount: u64) {
        let limit = self.runtime.application_parameters().limit;
        let number = self.state.number.get().checked_add(amount);
        match number {
            Some(number) if number <= limit => self.state.number.set(number),
            _ => panic!("the number would exceed its limit of {limit}"),
        }
    }
}
