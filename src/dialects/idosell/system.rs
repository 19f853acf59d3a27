//! The payment systems that a refund by hand can name.

use refundry_domain::refund::Destination;

use super::refusals::Trouble;
use super::wire::Group;

/// The last number of the list of systems; what is not named below is one operator or another.
const LAST: u32 = 74;

/// The system that the details name, and where the money goes with it. `paymentSystem` says it;
/// where that is missing or zero, `paymentFormId` does. `None`: there is no such system.
pub fn of(details: &Group) -> Result<Option<(u32, Destination)>, Trouble> {
    let system = details.whole("paymentSystem")?.filter(|number| *number != 0);
    let form = details.whole("paymentFormId")?.filter(|number| *number != 0);
    Ok(system.or(form).and_then(|number| Some((number, destination(number)?))))
}

fn destination(number: u32) -> Option<Destination> {
    match number {
        2 => Some(Destination::GiftCard),
        3 => Some(Destination::Cash),
        5 => Some(Destination::BankTransfer),
        27 => Some(Destination::CustomerBalance),
        1..=LAST => Some(Destination::Other),
        _ => None,
    }
}
