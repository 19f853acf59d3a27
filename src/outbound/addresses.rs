//! Which addresses may be called when somebody else chose the address: none that lead back into
//! our own network.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;

use super::Resolve;

/// The IPv4 addresses that are not on the public internet (IANA's special-purpose registry, and
/// what is not for single hosts).
const V4_REFUSED: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10), // carriers' own
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16), // link-local, with clouds' metadata
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 31, 196, 0], 24), // AS112
    ([192, 52, 193, 0], 24), // automatic multicast tunnels
    ([192, 88, 99, 0], 24),  // 6to4 relays
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 3),     // multicast, reserved, broadcast
];

/// Of IPv6 only 2000::/3 is public; this much of it is not. Addresses with an IPv4 address in
/// them (mapped, NAT64, 6to4, Teredo) could lead anywhere and are all outside.
const V6_PUBLIC: ([u16; 8], u8) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
const V6_REFUSED: [([u16; 8], u8); 4] = [
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // Teredo, benchmarks, identifiers
    ([0x2001, 0x0db8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

/// Addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `::1/128`, or one address.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Network { address, bits })
    }

    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.bits));
                let cut = |address: Ipv4Addr| address.to_bits().checked_shr(shift);
                cut(network) == cut(address)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.bits));
                let cut = |address: Ipv6Addr| address.to_bits().checked_shr(shift);
                cut(network) == cut(address)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether an address is on the public internet.
pub fn is_public(address: IpAddr) -> bool {
    let v4 = |(octets, bits): ([u8; 4], u8)| Network { address: IpAddr::from(octets), bits };
    let v6 = |(segments, bits): ([u16; 8], u8)| Network { address: IpAddr::from(segments), bits };
    match address {
        IpAddr::V4(_) => !V4_REFUSED.into_iter().any(|network| v4(network).contains(address)),
        IpAddr::V6(_) => {
            v6(V6_PUBLIC).contains(address)
                && !V6_REFUSED.into_iter().any(|network| v6(network).contains(address))
        }
    }
}

/// A resolver that answers public addresses only, and those that the operator allows. The
/// connection is made to what it answers, so a name that changes its mind gains nothing.
pub struct Guarded {
    inner: Arc<dyn Resolve>,
    allowed: Vec<Network>,
}

impl Guarded {
    pub fn over(inner: Arc<dyn Resolve>, allowed: Vec<Network>) -> Guarded {
        Guarded { inner, allowed }
    }
}

#[async_trait]
impl Resolve for Guarded {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut found = self.inner.resolve(host, port).await?;
        let first = found.first().copied();
        found.retain(|address| may_call(address.ip(), &self.allowed));
        match (found.is_empty(), first) {
            (true, Some(refused)) => {
                // Whoever chose the name is not told what is behind the wall; the operator is.
                let address = refused.ip();
                tracing::warn!(host, %address, "an address inside must not be called");
                let why = format!("{host} must not be called: it is inside");
                Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
            }
            (_, _) => Ok(found),
        }
    }
}

/// Whether an address is public or allowed.
pub fn may_call(address: IpAddr, allowed: &[Network]) -> bool {
    is_public(address) || allowed.iter().any(|network| network.contains(address))
}
