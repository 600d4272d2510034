//! The token of a command, which is read again if the API does not accept it any more: it may have been rotated.

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
    /// `None` if it cannot change.
    again: Option<ReadToken>,
    /// It was read again, and the API has accepted none since.
    is_renewed: bool,
}

impl Credentials {
    /// `again` reads the token again, which is done once for each token that the API has accepted.
    #[must_use]
    pub fn new(token: Token, again: Option<ReadToken>) -> Self {
        Self(Arc::new(Mutex::new(State { tokens: vec![token], again, is_renewed: false })))
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
        if std::mem::replace(&mut state.is_renewed, true) {
            return false;
        }
        let read = state.again.as_ref().and_then(|read| read());
        match read.filter(|token| token.expose() != state.tokens[number].expose()) {
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

    /// The API has accepted the token with this number: a worker may run for long enough to see it rotated as well.
    pub fn accepted(&self, number: usize) {
        let mut state = self.state();
        if number + 1 == state.tokens.len() {
            state.is_renewed = false;
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
        credentials.accepted(0);
        assert!(!credentials.renew(1), "the first was accepted, and is not used any more");
        assert_eq!(credentials.redact("first-token second-token".to_owned()), "[token] [token]");
    }

    #[test]
    fn a_token_that_was_accepted_may_be_rotated_again() {
        let next = std::sync::atomic::AtomicUsize::new(1);
        let read = move || {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some(token(&format!("token-number-{number}")))
        };
        let credentials = Credentials::new(token("token-number-0"), Some(Box::new(read)));
        for number in 0..5 {
            credentials.accepted(number);
            assert!(credentials.renew(number), "{number}");
        }
        assert!(!credentials.renew(5), "none was accepted in between");
        assert_eq!(credentials.current().0.expose(), "token-number-5");
    }

    #[test]
    fn a_token_that_did_not_change_is_not_used_again() {
        for same in [
            Credentials::new(token("a-token"), None),
            Credentials::new(token("a-token"), Some(Box::new(|| Some(token("a-token"))))),
        ] {
            assert!(!same.renew(0));
        }
    }
}
