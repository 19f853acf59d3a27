//! What the caller's merchant has settled beforehand.

use axum::response::Response;
use refundry_domain::merchant::{Administration, Merchant};

use super::call::{Call, shown};
use super::wire::administration::{SettingsPatch, SettingsView};
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Administers, Right};
use crate::store::Administered;

async fn own(right: &Right<Administers>) -> Result<Merchant, Problem> {
    let own = right.own().await?;
    own.ok_or_else(|| Problem::new(Code::MerchantNotFound, "There is no such merchant."))
}

pub async fn show(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    Ok(shown(&SettingsView::of(&own(&right).await?.settings)))
}

pub async fn change(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let read = call.read::<SettingsPatch>().await?;
    let before = own(&right).await?.settings;
    let settings = read.body.applied_to(before.clone())?;
    if !read.dry_run && settings != before {
        let changed = Some(settings.clone());
        let change = Administration::ChangeMerchant { name: None, settings: changed };
        match right.administer(change).await? {
            Administered::Merchant(merchant) => {
                return Ok(shown(&SettingsView::of(&merchant.settings)));
            }
            Administered::Key(_)
            | Administered::Endpoint(_)
            | Administered::Connection(_)
            | Administered::Unknown
            | Administered::Stale => {}
        }
    }
    Ok(shown(&SettingsView::of(&settings)))
}
