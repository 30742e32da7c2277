#![cfg_attr(target_arch = "wasm32", no_main)]

use linera_sdk::{
    linera_base_types::{Account, AccountOwner, Amount, ApplicationId, WithContractAbi},
    Contract, ContractRuntime,
};
use swap::{Operation, Parameters, Side, Split, SwapAbi};
use token::{Operation as TokenOperation, Response as TokenResponse, TokenAbi};

pub struct SwapContract {
    runtime: ContractRuntime<Self>,
}

linera_sdk::contract!(SwapContract);

impl WithContractAbi for SwapContract {
    type Abi = SwapAbi;
}

impl Contract for SwapContract {
    type Message = ();
    type Parameters = Parameters;
    type InstantiationArgument = ();
    type EventValue = ();

    async fn load(runtime: ContractRuntime<Self>) -> Self {
        SwapContract { runtime }
    }

    async fn instantiate(&mut self, _argument: ()) {
        let Parameters {
            first,
            second,
            deadline,
        } = self.runtime.application_parameters();
        assert!(
            first.token.forget_abi() != second.token.forget_abi(),
            "the two tokens are the same"
        );
        assert!(
            first.amount > Amount::ZERO && second.amount > Amount::ZERO,
            "one side brings nothing"
        );
        // A deadline in seconds or milliseconds ends here too.
        assert!(
            self.runtime.system_time() < deadline,
            "the deadline has passed, or is not in microseconds"
        );
    }

    async fn execute_operation(&mut self, operation: Operation) {
        let Parameters {
            first,
            second,
            deadline,
        } = self.runtime.application_parameters();
        let signer = self.runtime.authenticated_signer();
        assert!(
            signer == Some(first.home.owner) || signer == Some(second.home.owner),
            "only the two owners may do this"
        );
        let now = self.runtime.system_time();
        if let Err(reason) = operation.check_time(now.micros(), deadline.micros()) {
            panic!("{reason}");
        }
        match operation {
            Operation::Exchange => {
                // Who proposes a block chooses its time, and could choose one that is long past.
                // The clocks of the validators cannot be set back.
                self.runtime.assert_before(deadline);
                self.exchange(&first, &second);
            }
            Operation::Refund => {
                self.give_back(&first);
                self.give_back(&second);
            }
        }
        self.runtime
            .close_chain()
            .expect("this application may not close the chain");
    }

    async fn execute_message(&mut self, _message: ()) {
        panic!("nobody sends messages of a swap");
    }

    async fn store(self) {}
}

impl SwapContract {
    fn exchange(&mut self, first: &Side, second: &Side) {
        for (side, other) in [(first, second), (second, first)] {
            let here = self.balance(side.token);
            match Split::of(here.to_attos(), side.amount.to_attos()) {
                Ok(Split { price, surplus }) => {
                    self.pay(side.token, Amount::from_attos(price), other.home);
                    self.pay(side.token, Amount::from_attos(surplus), side.home);
                }
                Err(missing) => panic!(
                    "{} of {} are still to come",
                    Amount::from_attos(missing),
                    side.amount
                ),
            }
        }
    }

    fn give_back(&mut self, side: &Side) {
        let here = self.balance(side.token);
        self.pay(side.token, here, side.home);
    }

    fn account(&mut self) -> AccountOwner {
        self.runtime.application_id().forget_abi().into()
    }

    fn balance(&mut self, token: ApplicationId<TokenAbi>) -> Amount {
        let owner = self.account();
        let question = TokenOperation::Balance { owner };
        match self.runtime.call_application(true, token, &question) {
            TokenResponse::Balance(balance) => balance,
            TokenResponse::Done => panic!("the token does not tell balances"),
        }
    }

    fn pay(&mut self, token: ApplicationId<TokenAbi>, amount: Amount, to: Account) {
        if amount == Amount::ZERO {
            return;
        }
        let owner = self.account();
        let transfer = TokenOperation::Transfer { owner, amount, to };
        self.runtime.call_application(true, token, &transfer);
    }
}
