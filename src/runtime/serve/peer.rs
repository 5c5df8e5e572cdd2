//! Who is at the other end of a connection.

use std::net::IpAddr;
use std::rc::Rc;

use crate::tls::Certificate;

/// The client of a connection, the same for all of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; behind a proxy that says so with the PROXY protocol, the address that this names.
    pub address: IpAddr,
    /// The certificate that it proved to have, verified against `tls: { client_ca }`; `None` where it showed none.
    pub certificate: Option<Certificate>,
}

impl Peer {
    /// A client without a certificate.
    pub fn at(address: impl Into<IpAddr>) -> Rc<Self> {
        Rc::new(Self {
            address: address.into(),
            certificate: None,
        })
    }
}
