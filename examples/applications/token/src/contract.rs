#![cfg_attr(target_arch = "wasm32", no_main)]

mod state;

use linera_sdk::{
    linera_base_types::{Account, AccountOwner, Amount, WithContractAbi},
    views::{RootView, View},
    Contract, ContractRuntime,
};
use state::Token;
use token::{may_use, receiver, Message, Operation, Parameters, Response, Supply, TokenAbi};

pub struct TokenContract {
    state: Token,
    runtime: ContractRuntime<Self>,
}

linera_sdk::contract!(TokenContract);

impl WithContractAbi for TokenContract {
    type Abi = TokenAbi;
}

impl Contract for TokenContract {
    type Message = Message;
    type Parameters = Parameters;
    type InstantiationArgument = Supply;
    type EventValue = ();

    async fn load(runtime: ContractRuntime<Self>) -> Self {
        let state = Token::load(runtime.root_view_storage_context())
            .await
            .expect("the state cannot be read");
        TokenContract { state, runtime }
    }

    async fn instantiate(&mut self, supply: Supply) {
        self.runtime.application_parameters();
        for (owner, amount) in supply.accounts {
            self.credit(owner, amount).await;
        }
    }

    async fn execute_operation(&mut self, operation: Operation) -> Response {
        match operation {
            Operation::Balance { owner } => Response::Balance(self.balance(&owner).await),
            Operation::Transfer { owner, amount, to } => {
                self.require_authority(owner);
                self.debit(owner, amount).await;
                self.send(owner, amount, to).await;
                Response::Done
            }
            Operation::Claim { from, amount, to } => {
                self.require_authority(from.owner);
                if from.chain_id == self.runtime.chain_id() {
                    self.debit(from.owner, amount).await;
                    self.send(from.owner, amount, to).await;
                } else {
                    let owner = from.owner;
                    self.runtime
                        .prepare_message(Message::Withdraw { owner, amount, to })
                        .with_authentication()
                        .send_to(from.chain_id);
                }
                Response::Done
            }
        }
    }

    async fn execute_message(&mut self, message: Message) {
        match message {
            Message::Credit {
                owner,
                amount,
                source,
            } => {
                let comes_back = self.runtime.message_is_bouncing() == Some(true);
                self.credit(receiver(owner, source, comes_back), amount)
                    .await;
            }
            Message::Withdraw { owner, amount, to } => {
                self.require_authority(owner);
                self.debit(owner, amount).await;
                self.send(owner, amount, to).await;
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

impl TokenContract {
    fn require_authority(&mut self, owner: AccountOwner) {
        let signer = self.runtime.authenticated_signer();
        let caller = self.runtime.authenticated_caller_id();
        let caller = caller.map(AccountOwner::from);
        assert!(
            may_use(&owner, signer.as_ref(), caller.as_ref()),
            "only its owner may use the account of {owner}"
        );
    }

    async fn balance(&self, owner: &AccountOwner) -> Amount {
        let balance = self.state.accounts.get(owner).await;
        balance
            .expect("the accounts cannot be read")
            .unwrap_or_default()
    }

    async fn set_balance(&mut self, owner: AccountOwner, balance: Amount) {
        let accounts = &mut self.state.accounts;
        let written = match balance {
            Amount::ZERO => accounts.remove(&owner),
            _ => accounts.insert(&owner, balance),
        };
        written.expect("the accounts cannot be written");
    }

    async fn credit(&mut self, owner: AccountOwner, amount: Amount) {
        let balance = self.balance(&owner).await.saturating_add(amount);
        self.set_balance(owner, balance).await;
    }

    async fn debit(&mut self, owner: AccountOwner, amount: Amount) {
        let balance = self.balance(&owner).await;
        let left = balance
            .try_sub(amount)
            .unwrap_or_else(|_| panic!("{owner} has {balance}, not {amount}"));
        self.set_balance(owner, left).await;
    }

    /// Bring what was debited to an account, here or elsewhere.
    async fn send(&mut self, source: AccountOwner, amount: Amount, to: Account) {
        if to.chain_id == self.runtime.chain_id() {
            self.credit(to.owner, amount).await;
        } else {
            let credit = Message::Credit {
                owner: to.owner,
                amount,
                source,
            };
            self.runtime
                .prepare_message(credit)
                .with_authentication()
                .with_tracking()
                .send_to(to.chain_id);
        }
    }
}
