//! Spans to an OpenTelemetry collector, by OTLP over HTTP. Built in by the feature `otlp`.

use std::path::Path;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

use super::WatchError;
use crate::api::trusted;
use crate::domain::{error_chain, install_tls_provider};

/// The variables that name a collector. The exporter reads them itself, and its others
/// (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_BSP_MAX_QUEUE_SIZE`, …).
pub const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long sending the last spans may take.
const FLUSH: Duration = Duration::from_secs(5);

/// Sends spans from a separate thread, and loses those that the collector is too slow for. Dropping it sends the
/// rest.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to send to the collector that the environment names.
    pub fn start(ca_file: Option<&Path>, version: &'static str) -> Result<Self, WatchError> {
        install_tls_provider();
        let wrong = |why| WatchError::Client { why };
        let certificates = trusted(ca_file).map_err(|error| wrong(error.to_string()))?;
        let client = reqwest::blocking::Client::builder()
            .tls_certs_only(certificates)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(error_chain(&error)))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("decom");
        }
        let version = opentelemetry::KeyValue::new("service.version", version);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.with_attribute(version).build())
            .build();
        Ok(Self { provider })
    }

    /// Passes on the spans of decom, whatever the level of the log is.
    #[must_use]
    pub fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let tracer = self.provider.tracer("decom");
        let ours = Targets::new().with_target("decom", Level::DEBUG);
        Box::new(
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_filter(ours),
        )
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "some spans could not be sent to the collector");
        }
    }
}
