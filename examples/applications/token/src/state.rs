use linera_sdk::{
    linera_base_types::{AccountOwner, Amount},
    views::{linera_views, MapView, RootView, ViewStorageContext},
};

#[derive(RootView)]
#[view(context = ViewStorageContext)]
pub struct Token {
    /// Accounts on this chain; those at zero are not kept.
    pub accounts: MapView<AccountOwner, Amount>,
}
