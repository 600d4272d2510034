//! The emulator over real HTTP.

mod datamarts;
mod endpoints;
mod faulty;
mod limits;
mod notation;
mod scale;

use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use url::Url;

use super::{Emulator, EmulatorOptions};

const TOKEN: &str = "dbn_live_test";

/// An emulator, and a client without retries and redirects.
struct Lab {
    emulator: Emulator,
    client: Client,
}

#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body of JSON")
    }

    fn code(&self) -> String {
        let error = &self.json()["error"];
        assert_eq!(error["status"], self.status.as_u16(), "the body repeats the status");
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()));
        error["code"].as_str().expect("an error code").to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }
}

impl Lab {
    fn new(options: EmulatorOptions) -> Self {
        crate::domain::install_tls_provider();
        let client = Client::builder()
            .no_proxy()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .unwrap();
        Self { emulator: Emulator::start(options).unwrap(), client }
    }

    fn request(&self, method: Method, path_and_query: &str) -> RequestBuilder {
        let url = format!("{}{path_and_query}", self.emulator.base_url());
        self.client.request(method, url).bearer_auth(TOKEN)
    }

    async fn get(&self, path_and_query: &str) -> Reply {
        sent(self.request(Method::GET, path_and_query)).await.unwrap()
    }

    async fn try_delete(&self, name: &str) -> Result<Reply, reqwest::Error> {
        sent(self.deletion(name)).await
    }

    async fn delete(&self, name: &str) -> Reply {
        self.try_delete(name).await.unwrap()
    }

    fn deletion(&self, name: &str) -> RequestBuilder {
        let mut url = Url::parse(self.emulator.base_url()).unwrap();
        url.set_path("/api/v2/datasource");
        url.query_pairs_mut().append_pair("datasourceName", name);
        self.client.delete(url).bearer_auth(TOKEN)
    }

    async fn listed(&self) -> Vec<String> {
        strings(&self.get("/api/v2/datasource").await.json()["data"], |entry| &entry["name"])
    }
}

async fn sent(request: RequestBuilder) -> Result<Reply, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Reply { status, headers, body: response.text().await? })
}

fn strings(data: &Value, of: impl Fn(&Value) -> &Value) -> Vec<String> {
    data.as_array().expect("an array").iter().map(|entry| of(entry).as_str().unwrap().to_owned()).collect()
}

fn with(names: &[&str]) -> EmulatorOptions {
    EmulatorOptions::new(TOKEN, names.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn numbered(count: usize) -> impl Iterator<Item = String> + Send + 'static {
    (0..count).map(|n| format!("customer-{n:07}-warehouse"))
}
