//! Bank transfers.

use super::super::call::serve;
use super::super::route::Route;
use super::super::transfers;
use super::super::wire::transfers as wire;
use super::{AFTER, BEFORE, LIMIT, shape};
use crate::dialects::shared::replay::KeyRule;
use crate::dialects::shared::right::{Administers, Scoped};

pub static ROUTES: &[Route] = &[
    Route::get("/v1/bank_transfers", "list_bank_transfers", |route| serve(route, transfers::list))
        .summary("Lists the open bank transfers, newest first")
        .scopes(Administers::ANY)
        .query(&[AFTER, BEFORE, LIMIT])
        .lists(shape::<wire::TransferView<'_>>),
    Route::post("/v1/bank_transfer_files", "create_bank_transfer_file", |route| {
        serve(route, transfers::export)
    })
    .summary("Writes a pain.001 file of the open bank transfers that are in none yet")
    .scopes(Administers::ANY)
    .key(KeyRule::Refused)
    .takes(shape::<wire::FileAsk>)
    .makes(shape::<wire::FileView<'_>>),
    Route::get("/v1/bank_transfer_files", "list_bank_transfer_files", |route| {
        serve(route, transfers::list_files)
    })
    .summary("Lists files of bank transfers, newest first")
    .scopes(Administers::ANY)
    .query(&[AFTER, BEFORE, LIMIT])
    .lists(shape::<wire::FileView<'_>>),
    Route::get("/v1/bank_transfer_files/{id}", "get_bank_transfer_file", |route| {
        serve(route, transfers::show_file)
    })
    .summary("Gives a file of bank transfers")
    .scopes(Administers::ANY)
    .streams("application/xml", "The file, as a bank takes it."),
];
