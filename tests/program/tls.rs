//! Whom the token travels to: TLS with a private authority, plain HTTP, and proxies.

use crate::support::socks::{Manner, SocksProxy};
use crate::support::tls::Authority;
use crate::support::{Output, Reply, Sandbox, Server, TOKEN, csv, decom};

/// Deletes `a`, with further arguments and settings.
fn delete_a(sandbox: &Sandbox, server: &Server, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let input = csv(sandbox, &["a"]);
    let mut command = decom(sandbox, server, &["run", &input]);
    command.args(arguments).envs(settings).run()
}

#[test]
fn a_private_authority_is_trusted_where_its_file_is_given() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority, "127.0.0.1", |_| Reply::deleted());
    server.list(&[]);
    let sandbox = Sandbox::new();
    sandbox.file("ca.pem", authority.pem());
    let settings = [("DECOM_SAFETY_LISTING_CHECK", "true")];
    let ended = delete_a(&sandbox, &server, &["--ca-file", "ca.pem"], &settings).expect(0);
    assert_eq!(ended.outcome("a"), "deleted");
    assert_eq!(ended.result("a").evidence, "absent_from_listing", "the listing is read over TLS as well");
    assert!(server.url().starts_with("https://"));
}

#[test]
fn the_bundle_of_the_environment_is_trusted_unless_a_setting_names_another() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority, "127.0.0.1", |_| Reply::deleted());
    let sandbox = Sandbox::new();
    sandbox.file("ca.pem", authority.pem());
    sandbox.file("other.pem", Authority::new().pem());
    let of = |bundle, arguments: &[&str]| {
        delete_a(&sandbox, &server, &[arguments, &["--again"]].concat(), &[("SSL_CERT_FILE", bundle)]).code
    };
    assert_eq!(of("ca.pem", &[]), 0);
    assert_eq!(of("other.pem", &["--ca-file", "ca.pem"]), 0);
    assert_ne!(of("ca.pem", &["--ca-file", "other.pem"]), 0);
    assert_ne!(of("not-there.pem", &[]), 0);
    assert_eq!(of("not-there.pem", &["--ca-file", "ca.pem"]), 0);
}

#[test]
fn one_of_several_authorities_in_the_file_is_enough() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority, "127.0.0.1", |_| Reply::deleted());
    let sandbox = Sandbox::new();
    sandbox.file("ca.pem", format!("# ours\n{}\n{}", Authority::new().pem(), authority.pem()));
    delete_a(&sandbox, &server, &["--ca-file", "ca.pem"], &[]).expect(0);
}

#[test]
fn who_cannot_prove_to_be_the_api_gets_no_request() {
    let authority = Authority::new();
    let ours = Server::start_tls(&authority, "127.0.0.1", |_| Reply::deleted());
    let misnamed = Server::start_tls(&authority, "api.example.test", |_| Reply::deleted());
    let (known, other) = (authority.pem(), Authority::new().pem());
    for (server, trusted) in [(&ours, None), (&ours, Some(other)), (&misnamed, Some(known))] {
        let sandbox = Sandbox::new();
        let file = trusted.map(|pem| sandbox.file("ca.pem", pem));
        let arguments = if file.is_some() { &["--ca-file", "ca.pem"][..] } else { &[] };
        let ended = delete_a(&sandbox, server, arguments, &[]).expect(4);
        let row = ended.result("a");
        assert_eq!((row.outcome.as_str(), row.attempts), ("failed", 3), "{row:?}");
        assert_eq!(row.error_code, "connect_failed");
        assert!(row.message.contains("certificate"), "{row:?}");
        assert!(server.connections() > 0);
        assert!(server.requests().is_empty(), "nothing was sent");
    }
}

#[test]
fn a_ca_file_that_cannot_be_used_is_refused() {
    let server = Server::start_tls(&Authority::new(), "127.0.0.1", |_| Reply::deleted());
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for content in [None, Some(""), Some("no certificate"), Some(garbage)] {
        let sandbox = Sandbox::new();
        if let Some(content) = content {
            sandbox.file("ca.pem", content);
        }
        let ended = delete_a(&sandbox, &server, &["--ca-file", "ca.pem"], &[]).expect(2);
        assert!(ended.stderr.contains("ca.pem"), "{}", ended.stderr);
        assert!(!sandbox.log().exists(), "no run was begun");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    let server = Server::deleting();
    for url in [
        "http://api.example.test",
        "http://192.0.2.1",
        "http://10.0.0.1:8080",
        "http://127.0.0.1.example.test",
        "http://[2001:db8::1]",
        "http://localhost.example.test",
        "ftp://127.0.0.1",
    ] {
        let sandbox = Sandbox::new();
        // A proxy would see it, were it sent.
        let proxy = ("HTTP_PROXY", &*server.url());
        let ended = delete_a(&sandbox, &server, &["--base-url", url], &[proxy]).expect(2);
        assert!(ended.stderr.contains(url), "{}", ended.stderr);
        assert!(!sandbox.log().exists(), "no run was begun");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn the_proxy_of_the_environment_is_used_for_another_machine() {
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let proxy = Server::deleting();
        let sandbox = Sandbox::new();
        let arguments = ["--allow-http", "--base-url", "http://api.example.test"];
        let ended = delete_a(&sandbox, &proxy, &arguments, &[(variable, &proxy.url())]).expect(0);
        assert_eq!(ended.outcome("a"), "deleted");
        let seen = proxy.requests();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].path, "http://api.example.test/api/v2/datasource");
        assert_eq!(seen[0].header("host"), "api.example.test");
        assert_eq!(seen[0].header("authorization"), format!("Bearer {TOKEN}"));
    }
}

#[test]
fn a_proxy_for_https_sees_the_host_and_not_the_token() {
    let proxy = Server::deleting();
    let sandbox = Sandbox::new();
    let arguments = ["--base-url", "https://api.example.test", "--max-attempts", "1"];
    let ended = delete_a(&sandbox, &proxy, &arguments, &[("HTTPS_PROXY", &proxy.url())]).expect(4);
    // This one lets nobody through, so nothing can have been deleted.
    assert_eq!(ended.outcome("a"), "failed");
    assert_eq!(ended.result("a").error_code, "connect_failed");
    let seen = proxy.requests();
    assert_eq!((seen.len(), seen[0].method.as_str()), (1, "CONNECT"));
    assert_eq!(seen[0].path, "api.example.test:443");
    assert!(!format!("{seen:?}").contains(TOKEN));
}

#[test]
fn a_socks_proxy_is_asked_for_the_name() {
    for variable in ["ALL_PROXY", "HTTP_PROXY"] {
        let server = Server::deleting();
        let proxy = SocksProxy::start(Manner::Connecting(server.port()));
        let sandbox = Sandbox::new();
        let arguments = ["--allow-http", "--base-url", "http://api.example.test"];
        let url = format!("socks5h://127.0.0.1:{}", proxy.port());
        let ended = delete_a(&sandbox, &server, &arguments, &[(variable, &url)]).expect(0);
        assert_eq!(ended.outcome("a"), "deleted");
        assert_eq!(proxy.asked_for(), ["api.example.test:80"]);
        assert_eq!(server.requests()[0].header("authorization"), format!("Bearer {TOKEN}"));
    }
}

#[test]
fn a_socks_proxy_that_refuses_leaves_no_doubt() {
    let proxy = SocksProxy::start(Manner::Refusing);
    let (server, sandbox) = (Server::deleting(), Sandbox::new());
    let arguments = ["--base-url", "https://api.example.test", "--max-attempts", "2"];
    let url = format!("socks5h://127.0.0.1:{}", proxy.port());
    let ended = delete_a(&sandbox, &server, &arguments, &[("HTTPS_PROXY", &url)]).expect(4);
    assert_eq!((ended.outcome("a"), &*ended.result("a").error_code), ("failed", "connect_failed"));
    assert_eq!(proxy.asked_for(), ["api.example.test:443"; 2]);
}

#[test]
fn the_own_machine_is_reached_without_a_proxy() {
    let proxy = Server::start(|_| Reply::status(502));
    let server = Server::deleting();
    let sandbox = Sandbox::new();
    let url = proxy.url();
    let settings = [("HTTP_PROXY", url.as_str()), ("HTTPS_PROXY", &url), ("ALL_PROXY", &url)];
    delete_a(&sandbox, &server, &[], &settings).expect(0);
    assert_eq!(server.deletions().len(), 1);
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_proxy_that_cannot_be_understood_is_refused() {
    let server = Server::deleting();
    let other = ["--allow-http", "--base-url", "http://api.example.test"];
    for (variable, value) in [
        ("HTTP_PROXY", "ftp://s3cret@proxy"),
        ("ALL_PROXY", "http://proxy:s3cret"),
        ("https_proxy", "://"),
        ("NO_PROXY", "*.example.test"),
        ("no_proxy", "api.example.test:80"),
    ] {
        let sandbox = Sandbox::new();
        let url = server.url();
        let settings = [("http_proxy", url.as_str()), (variable, value)];
        let ended = delete_a(&sandbox, &server, &other, &settings).expect(2);
        assert!(ended.message().contains(variable), "{}", ended.message());
        assert!(!ended.stderr.contains("s3cret") && !sandbox.log().exists());
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_proxy_that_wants_a_password_is_named() {
    let proxy = Server::receiving(Reply::status(407));
    for (variable, base_url) in
        [("HTTP_PROXY", "http://api.example.test"), ("HTTPS_PROXY", "https://api.example.test")]
    {
        let (sandbox, url) = (Sandbox::new(), proxy.url());
        let arguments = ["--allow-http", "--base-url", base_url, "--max-attempts", "1"];
        let ended = delete_a(&sandbox, &proxy, &arguments, &[(variable, url.as_str())]).expect(4);
        assert_eq!((ended.outcome("a"), &*ended.result("a").error_code), ("failed", "proxy_refused"));
        assert!(ended.stdout.contains("the proxy asks for a user and a password"), "{}", ended.stdout);
        sandbox.decom(&["audit", "verify"]).run().expect(1);
    }
}
