//! Merchants. Each sees its own; the admin keys of the first one operate the installation and see
//! and make all.

use axum::response::Response;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Administration, Merchant, Settings};

use super::call::{Call, created, listed, shown};
use super::keys::{check_name, page_of};
use super::wire::administration::{MerchantAsk, MerchantView};
use super::wire::words::expect_id;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Administers, Right};
use crate::store::Administered;

fn unknown() -> Problem {
    Problem::new(Code::MerchantNotFound, "There is no such merchant.")
}

fn operator_only() -> Problem {
    let detail = "Only the installation's operator, with an admin key of the first merchant, may.";
    Problem::new(Code::OperatorOnly, detail)
}

pub async fn create(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    if !right.is_operator() {
        return Err(operator_only());
    }
    let read = call.read::<MerchantAsk>().await?;
    let name = read.body.name;
    check_name(&name)?;
    if read.dry_run {
        let now = right.now();
        let (id, settings) = (MerchantId(0), Settings::default());
        let merchant = Merchant { id, name, settings, created_at: now, updated_at: now };
        return Ok(shown(&MerchantView::of(&merchant).proposed()));
    }
    match right.administer(Administration::CreateMerchant { name }).await? {
        Administered::Merchant(merchant) => Ok(created(&MerchantView::of(&merchant))),
        Administered::Key(_)
        | Administered::Endpoint(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => Err(unknown()),
    }
}

pub async fn list(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<MerchantId>(text).map(|id| id.0))?;
    fields.finish()?;
    let merchants = right.merchants().await.ok_or_else(operator_only)??;
    let slice = page_of(merchants, &page, |merchant| merchant.id.0);
    Ok(listed(&slice, &page, MerchantView::of, |merchant| merchant.id))
}

pub async fn show(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let id = call.id::<MerchantId>().ok_or_else(unknown)?;
    let merchant = right.merchant_row(id).await?.ok_or_else(unknown)?;
    Ok(shown(&MerchantView::of(&merchant)))
}

pub async fn change(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let id = call.id::<MerchantId>().ok_or_else(unknown)?;
    let read = call.read::<MerchantAsk>().await?;
    let name = read.body.name;
    check_name(&name)?;
    let before = right.merchant_row(id).await?.ok_or_else(unknown)?;
    if read.dry_run {
        let merchant = Merchant { name, updated_at: right.now(), ..before };
        return Ok(shown(&MerchantView::of(&merchant)));
    }
    let change = Administration::ChangeMerchant { name: Some(name), settings: None };
    match right.administer_for(id, change).await.ok_or_else(unknown)?? {
        Administered::Merchant(merchant) => Ok(shown(&MerchantView::of(&merchant))),
        Administered::Key(_)
        | Administered::Endpoint(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => Err(unknown()),
    }
}
