//! Who asks: credential → [`Caller`].

pub mod bank;
pub mod day_key;
pub mod gate;
pub mod gift_code;
pub mod limits;
pub mod links;
pub mod reseal;
pub mod seal;
pub mod secret;
pub mod token;

use std::sync::Arc;

use refundry_domain::ids::{KeyId, MerchantId};
use refundry_domain::merchant::Scope;

/// Who asks, of one merchant, with what may be done.
#[derive(Clone, Debug)]
pub struct Caller {
    pub merchant: MerchantId,
    /// As it stands in events: `key:12`, `worker`, `import`, `cli`.
    pub by: Arc<str>,
    pub key: Option<KeyId>,
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// The program itself, acting for a merchant.
    pub fn internal(merchant: MerchantId, by: &str) -> Caller {
        Caller { merchant, by: by.into(), key: None, scopes: Scope::ALL.to_vec() }
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}
