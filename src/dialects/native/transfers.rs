//! Bank transfers that somebody is to make, and files of them for a bank.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use refundry_domain::ids::{TransactionId, TransferFileId};

use super::call::{Call, created, listed, shown};
use super::keys::page_of;
use super::wire::transfers::{FileAsk, FileView, TransferView};
use super::wire::words::expect_id;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Administers, Right};
use crate::dialects::shared::transfers::Wish;

/// They are few: all are read, and one page is shown.
pub async fn list(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<TransactionId>(text).map(|id| id.0))?;
    fields.finish()?;
    let slice = page_of(right.open_transfers().await?, &page, |open| open.row().id.0);
    Ok(listed(&slice, &page, TransferView::of, |open| open.row().id))
}

pub async fn export(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let read = call.read_or_default::<FileAsk>().await?;
    let execution = read.body.execution_date()?;
    let wish = Wish { again: read.body.again, execution, dry_run: read.dry_run };
    let Some(drawn) = right.draw_transfers(wish).await? else {
        return Ok(shown(&FileView::nothing()));
    };
    if read.dry_run {
        return Ok(shown(&FileView::proposed(&drawn.new, drawn.created_at)));
    }
    match right.keep_transfers(drawn).await? {
        Some(file) => Ok(created(&FileView::of(&file))),
        None => {
            let detail = "The transfers were reported or written to a file meanwhile; ask again.";
            Err(Problem::new(Code::Unavailable, detail).retry_after(1))
        }
    }
}

pub async fn list_files(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<TransferFileId>(text).map(|id| id.0))?;
    fields.finish()?;
    let slice = right.transfer_files(page).await?;
    Ok(listed(&slice, &page, FileView::of, |file| TransferFileId(file.number)))
}

/// The file itself, the same bytes each time.
pub async fn show_file(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let id = call.id::<TransferFileId>().ok_or_else(Problem::not_found)?;
    let bytes = right.transfer_file(id.0).await?.filter(|bytes| !bytes.is_empty());
    let bytes = bytes.ok_or_else(Problem::not_found)?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"btf_{id}.xml\"")) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
