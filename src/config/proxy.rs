//! The proxy of the environment: the HTTP client takes it from there by itself, and ignores what it cannot read. The
//! token would then go past the proxy, so that is refused instead.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::{ConfigError, Environment};
use crate::domain::is_loopback;

/// The variables that name a proxy, and those that name the hosts without one.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The kinds of proxies that the client knows. Without a scheme, one is taken for `http`.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Checks the variables that name proxies.
///
/// # Errors
/// If the client would ignore one of them.
pub fn check_proxies(environment: &Environment) -> Result<(), ConfigError> {
    let mut is_proxied = false;
    for name in PROXIES {
        let Some(value) = environment.get(name)? else { continue };
        is_proxied = true;
        if !is_proxy(value) {
            return Err(ConfigError::Proxy { name });
        }
    }
    if !is_proxied {
        return Ok(());
    }
    for name in EXCEPTIONS {
        let entries = environment.get(name)?.unwrap_or_default().split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            if let Some(why) = misread(entry) {
                return Err(ConfigError::NoProxy { name, entry: entry.to_owned(), why });
            }
        }
    }
    Ok(())
}

/// Returns true if the client reaches `url` through a proxy of the environment, by its own rules. A machine's own address
/// is reached without one.
///
/// # Errors
/// If a variable is not text.
pub fn is_proxied(environment: &Environment, url: &str) -> Result<bool, ConfigError> {
    let Ok(parsed) = Url::parse(url) else { return Ok(false) };
    let Ok(uri) = url.parse::<Uri>() else { return Ok(false) };
    if is_loopback(&parsed) {
        return Ok(false);
    }
    let first = |names: [&'static str; 2]| -> Result<String, ConfigError> {
        for name in names {
            if let Some(value) = environment.get(name)? {
                return Ok(value.to_owned());
            }
        }
        Ok(String::new())
    };
    let matcher = Matcher::builder()
        .all(first(["ALL_PROXY", "all_proxy"])?)
        .http(first(["HTTP_PROXY", "http_proxy"])?)
        .https(first(["HTTPS_PROXY", "https_proxy"])?)
        .no(first(EXCEPTIONS)?)
        .build();
    Ok(matcher.intercept(&uri).is_some())
}

fn is_proxy(value: &str) -> bool {
    let Ok(uri) = value.parse::<Uri>() else { return false };
    let is_known = uri.scheme_str().is_none_or(|scheme| SCHEMES.contains(&scheme));
    let Some(authority) = uri.authority().filter(|_| is_known) else { return false };
    // `port()` only knows what fits; a colon after the host must be followed by one.
    let after_host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let after_host = after_host.rsplit(']').next().unwrap_or_default();
    !authority.host().is_empty() && (!after_host.contains(':') || authority.port_u16().is_some())
}

/// Why the client would not read an exception as other programs do, and what to write.
fn misread(entry: &str) -> Option<&'static str> {
    let is_address = || entry.parse::<std::net::IpAddr>().is_ok();
    if entry.contains(char::is_whitespace) {
        Some("put commas between the entries")
    } else if entry != "*" && entry.contains('*') {
        Some("a star is only understood alone; write `.example.com` for a domain and all below it")
    } else if entry.starts_with('[') {
        Some("write an IPv6 address without brackets")
    } else if let Some((address, bits)) = entry.split_once('/') {
        let most = address.parse::<std::net::IpAddr>().ok().map(|it| if it.is_ipv4() { 32 } else { 128 });
        let is_network = most.zip(bits.parse::<u8>().ok()).is_some_and(|(most, bits)| bits <= most);
        (!is_network).then_some("a network is written like 10.0.0.0/8")
    } else if entry.contains(':') && !is_address() {
        Some("a port is not understood; write the host alone")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<(), String> {
        let variables = [("ALL_PROXY", "proxy:3128"), (name, value)];
        let environment = Environment::of(variables.map(|(name, value)| (name.into(), value.into())));
        check_proxies(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn refuses_what_the_client_would_ignore() {
        for value in
            ["http://u:s3cret@proxy:3128", "proxy", "proxy:3128", "socks5h://[::1]:1080", "https://p/"]
        {
            assert_eq!(check("HTTPS_PROXY", value), Ok(()), "{value}");
        }
        for value in [
            "ftp://proxy",
            "http://",
            "http://pro xy",
            "://proxy",
            "http://u:s3cret@proxy:99999",
            "http://p:x",
        ] {
            let why = check("HTTPS_PROXY", value).unwrap_err();
            assert!(why.contains("HTTPS_PROXY") && !why.contains("s3cret"), "{value}: {why}");
        }
    }

    #[test]
    fn what_leads_through_a_proxy_is_known_as_the_client_knows_it() {
        let through = |variables: &[(&str, &str)], url| {
            let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            is_proxied(&Environment::of(variables), url).unwrap()
        };
        let api = "https://api.example.com";
        assert!(!through(&[], api));
        assert!(through(&[("HTTPS_PROXY", "proxy:3128")], api));
        assert!(through(&[("all_proxy", "socks5://proxy:1080")], api));
        assert!(!through(&[("HTTP_PROXY", "proxy:3128")], api), "for plain HTTP alone");
        assert!(!through(&[("ALL_PROXY", "proxy:3128"), ("NO_PROXY", ".example.com")], api));
        assert!(!through(&[("ALL_PROXY", "proxy:3128")], "http://127.0.0.1:8080"));
    }

    #[test]
    fn refuses_exceptions_that_would_be_misread() {
        let good = "*, .example.com,example.com, 10.0.0.0/8,::1, fd00::/8,127.0.0.1,localhost";
        assert_eq!(check("NO_PROXY", good), Ok(()));
        for entry in ["*.example.com", "example.com:443", "10.0.0.0/40", "[::1]", "a b", "example.com/8"] {
            let why = check("no_proxy", &format!("localhost,{entry}")).unwrap_err();
            assert!(why.contains(entry), "{entry}: {why}");
        }
    }
}
