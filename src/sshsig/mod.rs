//! OpenSSH signatures: what somebody has signed with the key that they already have, checked as
//! `ssh-keygen -Y verify` checks it, and made as `ssh-keygen -Y sign` makes it.
//!
//! Who may sign is in a file of allowed signers, as `ssh-keygen(1)` describes it under "ALLOWED
//! SIGNERS"; keys that sign nothing any more are in a file of public keys, one a line.

mod allowed;
mod check;
mod error;
mod key;
mod reading;

pub use allowed::is_pattern;
pub use check::{Purpose, SignatureCheck, Signed};
pub use error::SignatureError;
pub use key::SigningKey;
/// What is signed is read whole and once, so that what was checked is what is used.
pub use reading::whole;
