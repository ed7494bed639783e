//! Which addresses keys may come from: what arrives there decides who may call, so nobody on the way may change it.

use reqwest::Url;

/// Takes an `https` URL, or an `http` one whose host is this machine; the error is the rest of a sentence about it.
pub fn trusted_url(text: &str) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| "must be a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry a user name or password");
    }
    if url.fragment().is_some() {
        return Err("must not carry a fragment");
    }
    if is_trusted(&url) { Ok(url) } else { Err("must begin with https://, unless its host is this machine") }
}

/// Whether nobody on the way can change what comes from there.
pub fn is_trusted(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for good in [
            "https://issuer.example/keys",
            "http://127.0.0.1:8080/keys",
            "http://[::1]/keys",
            "http://localhost:1/",
            // The URL standard reads this number as 127.0.0.1.
            "http://2130706433/",
        ] {
            assert!(trusted_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://issuer.example/keys",
            "http://127.0.0.1.issuer.example/",
            "http://localhost.issuer.example/",
            "http://10.0.0.1/",
            "https://user@issuer.example/",
            "https://:pass@issuer.example/",
            "https://issuer.example/#keys",
            "file:///etc/passwd",
            "data:,x",
            "issuer.example",
            "",
        ] {
            assert!(trusted_url(bad).is_err(), "{bad}");
        }
    }
}
