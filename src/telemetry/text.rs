//! Prometheus' own text format, converted from the `OpenMetrics` format that the library writes: textfile
//! collectors, push gateways and `promtool` read only the former.

/// The media type of what [`prometheus_text`] returns.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Converts a text in the `OpenMetrics` format: a counter is declared by its whole name, braces without labels
/// are left out, and so are units and the mark of the end.
pub(super) fn prometheus_text(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help = "";
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            for part in ["# HELP ", name, suffix, " ", help, "\n# TYPE ", name, suffix, " ", kind, "\n"] {
                text.push_str(part);
            }
        } else if !line.starts_with('#') {
            let (name, value) = line.split_once("{} ").unwrap_or((line, ""));
            let space = if value.is_empty() { "" } else { " " };
            for part in [name, space, value, "\n"] {
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_declared_by_their_whole_name() {
        let open = "# HELP a_seconds How long.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
            a_seconds_total{x=\"# HELP\"} 1\n# HELP b What.\n# TYPE b gauge\nb{} 2\n# EOF\n";
        insta::assert_snapshot!(prometheus_text(open), @r##"
        # HELP a_seconds_total How long.
        # TYPE a_seconds_total counter
        a_seconds_total{x="# HELP"} 1
        # HELP b What.
        # TYPE b gauge
        b 2
        "##);
    }
}
