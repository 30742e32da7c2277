use linera_sdk::views::{linera_views, RegisterView, RootView, ViewStorageContext};

/// What the application keeps, on every chain anew.
#[derive(RootView)]
#[view(context = ViewStorageContext)]
pub struct {{Type}} {
    pub number: RegisterView<u64>,
}
