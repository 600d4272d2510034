//! Asks for confirmation. Pressing Enter alone never confirms.

use std::io::{self, BufRead, Write};

/// How many attempts there are.
const ATTEMPTS: usize = 3;

/// The phrase that confirms the deletion of `count` datasources on `host`, and of datamarts if they are taken along.
#[must_use]
pub fn phrase(count: u64, datamarts: Option<u64>, host: &str) -> String {
    let plural = |n: u64| if n == 1 { "" } else { "s" };
    match datamarts {
        None => format!("delete {count} on {host}"),
        Some(datamarts) => format!(
            "delete {count} datasource{} and {datamarts} datamart{} on {host}",
            plural(count),
            plural(datamarts)
        ),
    }
}

/// Asks for `phrase`, and returns true if it was typed.
pub fn ask(phrase: &str, input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<bool> {
    for attempts_left in (0..ATTEMPTS).rev() {
        write!(output, "To continue, type `{phrase}`: ")?;
        output.flush()?;
        // As bytes, because invalid UTF-8 is a wrong answer and not a failure of the terminal.
        let mut line = Vec::new();
        input.read_until(b'\n', &mut line)?;
        let Some(typed) = line.strip_suffix(b"\n") else {
            // The end of the input, with or without an answer that Enter did not follow.
            writeln!(output)?;
            return Ok(false);
        };
        if typed.strip_suffix(b"\r").unwrap_or(typed) == phrase.as_bytes() {
            return Ok(true);
        }
        let left = match attempts_left {
            0 => "nothing is deleted",
            1 => "one attempt left",
            _ => "two attempts left",
        };
        writeln!(output, "That does not match; {left}.")?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(typed: &str) -> (bool, String) {
        let mut output = Vec::new();
        let confirmed = ask(&phrase(3, None, "api.example"), &mut typed.as_bytes(), &mut output).unwrap();
        (confirmed, String::from_utf8(output).unwrap())
    }

    #[test]
    fn only_the_phrase_confirms() {
        assert!(asked("delete 3 on api.example\n").0);
        assert!(asked("yes\n\ndelete 3 on api.example\r\n").0);
        for typed in [
            "",
            "delete 3 on api.example",
            "\n\n\n",
            "y\nyes\nY\n",
            "Delete 3 on api.example\n",
            "delete 4 on api.example\n",
        ] {
            assert!(!asked(typed).0, "{typed:?}");
        }
    }

    #[test]
    fn the_phrase_names_each_kind() {
        assert_eq!(phrase(40, Some(85), "h"), "delete 40 datasources and 85 datamarts on h");
        assert_eq!(phrase(1, Some(1), "h"), "delete 1 datasource and 1 datamart on h");
    }

    #[test]
    fn there_are_three_attempts() {
        let (confirmed, output) = asked("a\nb\nc\ndelete 3 on api.example\n");
        assert!(!confirmed);
        assert_eq!(output.matches("That does not match").count(), 3);
    }
}
