//! When a certificate begins and ends. That they hold is the client's to check; here they only are a warning.

use crate::domain::time::Time;
use rustls::pki_types::CertificateDer;
use x509_cert::der::Decode as _;

/// The time in which a certificate holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// From then.
    pub begins: Time,
    /// Until then.
    pub ends: Time,
}

/// The validity of a certificate (RFC 5280, section 4.1.2.5). `None` if it is written in a way that only TLS libraries read.
pub fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let found = x509_cert::Certificate::from_der(certificate).ok()?.tbs_certificate.validity;
    let time =
        |time: x509_cert::time::Time| Some(Time::from_millis(i64::try_from(time.to_unix_duration().as_millis()).ok()?));
    Some(Validity { begins: time(found.not_before)?, ends: time(found.not_after)? })
}
