//! The token of a command, which is read again once if the API does not accept it any more: it may have been rotated.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Token, lock};

/// Reads the token where it came from; `None` if it cannot be read now.
pub type ReadToken = Box<dyn Fn() -> Option<Token> + Send + Sync>;

/// The token of a command. Clones share it.
#[derive(Clone)]
pub struct Credentials(Arc<Mutex<State>>);

struct State {
    /// The token that is used now is the last one.
    tokens: Vec<Token>,
    /// `None` once it was read again.
    again: Option<ReadToken>,
}

impl Credentials {
    /// `again` reads the token anew, which is done once at most.
    #[must_use]
    pub fn new(token: Token, again: Option<ReadToken>) -> Self {
        Self(Arc::new(Mutex::new(State { tokens: vec![token], again })))
    }

    /// The token to be used now, and its number.
    #[must_use]
    pub fn current(&self) -> (Token, usize) {
        let state = self.state();
        // There always is one.
        let number = state.tokens.len() - 1;
        (state.tokens[number].clone(), number)
    }

    /// The API did not accept the token with this number. Returns true if there is another one by now.
    pub fn renew(&self, number: usize) -> bool {
        let mut state = self.state();
        if number + 1 < state.tokens.len() {
            return true;
        }
        let Some(read) = state.again.take() else { return false };
        match read().filter(|token| token.expose() != state.tokens[number].expose()) {
            Some(token) => {
                tracing::warn!(
                    "the API does not accept the token any more, and its file holds another one; continuing with that"
                );
                state.tokens.push(token);
                true
            }
            None => false,
        }
    }

    /// `text` without any of the tokens.
    #[must_use]
    pub fn redact(&self, text: String) -> String {
        self.state().tokens.iter().fold(text, |text, token| token.redact(text))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text).unwrap()
    }

    #[test]
    fn a_token_is_read_again_once_and_only_counts_if_it_changed() {
        let credentials =
            Credentials::new(token("first-token"), Some(Box::new(|| Some(token("second-token")))));
        assert!(credentials.renew(0));
        assert_eq!(credentials.current().0.expose(), "second-token");
        assert!(credentials.renew(0), "a request that left before gets the new one");
        assert!(!credentials.renew(1), "only once");
        assert_eq!(credentials.redact("first-token second-token".to_owned()), "[token] [token]");
        for same in [
            Credentials::new(token("a-token"), None),
            Credentials::new(token("a-token"), Some(Box::new(|| Some(token("a-token"))))),
        ] {
            assert!(!same.renew(0));
        }
    }
}
