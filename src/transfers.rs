//! Bank transfers as a bank takes them: a file of ISO 20022's `pain.001.001.09`, within the limits
//! of SEPA.

use refundry_domain::book::sum;
use refundry_domain::ids::{MerchantId, TransactionId};
use refundry_domain::merchant::Debtor;
use refundry_domain::money::{Currency, Minor};
use sepa::validate::{MAX_AMOUNT_CT, MIN_AMOUNT_CT};
use sepa::{
    CreditTransferEntry, CreditTransferGroup, IsoDate, IsoDateTime, Pain001Builder, validate_bic,
    validate_iban,
};

use crate::access::bank::{BankDetails, NAME_MOST, plain};

/// The one currency of SEPA.
pub const CURRENCY: &str = "EUR";
/// How many transfers one file has at most.
pub const MOST: usize = 1_000;
/// The longest text in a SEPA transfer, in characters.
const TEXT_MOST: usize = 140;

/// One transfer to be made.
pub struct Transfer {
    pub transaction: TransactionId,
    pub amount: Minor,
    pub details: BankDetails,
    /// What the customer reads on the statement.
    pub text: String,
}

/// When a file is made and its money is to leave, on the merchant's calendar.
#[derive(Clone, Copy, Debug)]
pub struct When {
    pub now: jiff::civil::DateTime,
    pub execution: jiff::civil::Date,
}

/// A file, its control sum and what it is called.
pub struct File {
    pub xml: String,
    pub total: Minor,
}

/// What keeps the file of a merchant from being opened elsewhere.
pub fn context(merchant: MerchantId) -> String {
    format!("transfer-file/{merchant}")
}

/// Whether a transfer in this currency can stand in a file.
pub fn takes(currency: Currency) -> bool {
    currency.code() == CURRENCY
}

/// What keeps a transfer from a file: one that cannot be written would keep all others from it.
pub fn lacks(amount: Minor, details: &BankDetails) -> Option<&'static str> {
    let (iban, holder, bic) = details.parts();
    if !(MIN_AMOUNT_CT..=MAX_AMOUNT_CT).contains(&amount.get()) {
        return Some("amount");
    }
    if plain(holder, NAME_MOST).is_empty() {
        return Some("account_holder");
    }
    let is_account = validate_iban(iban).is_ok() && bic.is_none_or(|bic| validate_bic(bic).is_ok());
    (!is_account).then_some("bank_details")
}

/// The name of a transfer in the bank's reports, with what SEPA allows in names.
pub fn end_to_end(transaction: TransactionId) -> String {
    format!("TXN-{transaction}")
}

/// Writes the file; says in words why it cannot be.
pub fn file(
    debtor: &Debtor,
    transfers: &[Transfer],
    message_id: &str,
    when: When,
) -> Result<File, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let account = validate_iban(&debtor.iban).map_err(|error| said(&error))?;
    let execution = date(when.execution)?;
    let mut group = CreditTransferGroup::new(plain(&debtor.name, NAME_MOST), &account, execution);
    if let Some(bic) = &debtor.bic {
        group = group.debtor_bic(validate_bic(bic).map_err(|error| said(&error))?);
    }
    for transfer in transfers {
        group = group.add_entry(entry(transfer)?);
    }
    let (hour, minute, second) =
        (small(when.now.hour())?, small(when.now.minute())?, small(when.now.second())?);
    let made = IsoDateTime::new(date(when.now.date())?, hour, minute, second);
    let xml = Pain001Builder::new(plain(&debtor.name, NAME_MOST), message_id)
        .created_at(made.map_err(|error| said(&error))?)
        .add_group(group)
        .build()
        .map_err(|error| said(&error))?;
    Ok(File { xml, total: sum(transfers.iter().map(|transfer| transfer.amount)) })
}

fn entry(transfer: &Transfer) -> Result<CreditTransferEntry, String> {
    let name = end_to_end(transfer.transaction);
    let failed = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let (iban, holder, bic) = transfer.details.parts();
    let account = validate_iban(iban).map_err(|error| failed(&error))?;
    let entry = CreditTransferEntry::new(
        plain(holder, NAME_MOST),
        account,
        transfer.amount.get(),
        name.clone(),
    );
    let entry = entry.with_description(plain(&transfer.text, TEXT_MOST));
    Ok(match bic {
        Some(bic) => entry.with_bic(validate_bic(bic).map_err(|error| failed(&error))?),
        None => entry,
    })
}

fn date(date: jiff::civil::Date) -> Result<IsoDate, String> {
    let year = u16::try_from(date.year()).map_err(|error| error.to_string())?;
    IsoDate::new(year, small(date.month())?, small(date.day())?).map_err(|error| error.to_string())
}

fn small(value: i8) -> Result<u8, String> {
    u8::try_from(value).map_err(|error| error.to_string())
}
