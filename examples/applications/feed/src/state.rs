use feed::{Entry, Post};
use linera_sdk::{
    linera_base_types::ChainId,
    views::{linera_views, LogView, RootView, SetView, ViewStorageContext},
};

#[derive(RootView)]
#[view(context = ViewStorageContext)]
pub struct Feed {
    pub posts: LogView<Post>,
    pub timeline: LogView<Entry>,
    pub followed: SetView<ChainId>,
}
