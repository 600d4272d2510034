//! The log on stderr and, if configured, in daily files. It is not the audit log.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use indicatif::MultiProgress;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

#[derive(Debug, Clone)]
pub struct LogOptions<'a> {
    /// JSON lines on stderr instead of text.
    pub json: bool,
    pub filter: Targets,
    /// A target whose events only machines compare: as text they are shown from warnings on.
    pub hidden_in_text: Option<&'static str>,
    /// The folder of daily files.
    pub dir: Option<&'a Path>,
    /// Every line is marked as one of a dry run.
    pub dry_run: bool,
}

/// The active log. Dropping it flushes the files.
pub struct Logging {
    bars: MultiProgress,
    _files: Option<WorkerGuard>,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{}: cannot write log files here: {source}", dir.display())]
    Files { dir: PathBuf, source: InitError },
}

/// Libraries that report what decom reports itself, and sometimes an error that is not one. They are logged only if the
/// filter names them.
const TALKATIVE: [&str; 4] = ["async_nats", "async_rs", "aws_config", "lapin"];

/// A further receiver of events, with its own filter.
pub type LogLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts the log with `others` as further receivers.
pub fn start(options: &LogOptions<'_>, others: Vec<LogLayer>) -> Result<Logging, LogError> {
    let bars = MultiProgress::new();
    let filter = Targets::new()
        .with_default(options.filter.default_level().unwrap_or(LevelFilter::OFF))
        .with_targets(TALKATIVE.map(|library| (library, LevelFilter::OFF)))
        .with_targets(options.filter.iter());
    let mark = options.dry_run.then_some(if options.json { Mark::Json } else { Mark::Text });
    let stderr = Marked { inner: AboveBars(bars.clone()), mark };
    let shown: LogLayer = if options.json {
        json_layer(stderr, filter.clone())
    } else {
        // By NO_COLOR, CLICOLOR_FORCE, TERM and whether stderr is a terminal.
        let color = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        let layer = fmt::layer().with_target(false).with_ansi(color).with_writer(stderr);
        let hidden = options.hidden_in_text.map(|target| (target, LevelFilter::WARN));
        let filter = filter.clone().with_targets(hidden);
        Box::new(layer.with_filter(filter))
    };
    let mut layers = vec![shown];
    let mut guard = None;
    if let Some(dir) = options.dir {
        let files = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix("decom")
            .filename_suffix("log")
            .build(dir)
            .map_err(|source| LogError::Files { dir: dir.to_owned(), source })?;
        // A lossy writer drops lines under load.
        let (writer, worker) = NonBlockingBuilder::default().lossy(false).finish(files);
        let writer = Marked { inner: writer, mark: options.dry_run.then_some(Mark::Json) };
        layers.push(json_layer(writer, filter));
        guard = Some(worker);
    }
    layers.extend(others);
    // Fails only if a test in the same process has started one.
    let _ = tracing_subscriber::registry().with(layers).try_init();
    Ok(Logging { bars, _files: guard })
}

/// Writes events as lines of JSON.
fn json_layer<W>(writer: W, filter: Targets) -> LogLayer
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().json().flatten_event(true).with_current_span(false);
    Box::new(layer.with_writer(writer).with_filter(filter))
}

impl Logging {
    /// The progress bars below the lines of the log.
    #[must_use]
    pub fn bars(&self) -> MultiProgress {
        self.bars.clone()
    }
}

/// How a line is marked as one of a dry run.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// By a prefix.
    Text,
    /// By a field of its object.
    Json,
}

/// Marks every line that is written to `inner`. Each write is one line.
#[derive(Clone)]
struct Marked<W> {
    inner: W,
    mark: Option<Mark>,
}

impl<W: Write> Write for Marked<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match (self.mark, line) {
            (None, _) => self.inner.write_all(line)?,
            (Some(Mark::Json), [b'{', rest @ ..]) => {
                self.inner.write_all(&[br#"{"dry_run":true,"#, rest].concat())?;
            }
            (Some(_), _) => self.inner.write_all(&[b"(dry run) ", line].concat())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Marked<W> {
    type Writer = Marked<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Marked { inner: self.inner.make_writer(), mark: self.mark }
    }
}

/// Writes to stderr above the progress bars.
#[derive(Clone)]
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(line)).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
