#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use counter::{take, take_back, CounterAbi, Moved, Operation, Parameters};
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
                let left = take(*self.state.number.get(), amount)
                    .expect("there is less here than is to be moved");
                self.state.number.set(left);
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
            let number = self.state.number.get_mut();
            *number = take_back(*number, amount);
        } else {
            self.add(amount);
        }
    }

    async fn store(mut self) {
        self.state
            .save()
            .await
            .expect("the state cannot be written");
    }
}

impl CounterContract {
    fn add(&mut self, amount: u64) {
        let parameters = self.runtime.application_parameters();
        match parameters.add(*self.state.number.get(), amount) {
            Some(number) => self.state.number.set(number),
            None => panic!("the number would exceed its limit of {}", parameters.limit),
        }
    }
}
