//! OpenSSH signatures by keys that people already have: checked as `ssh-keygen -Y verify` checks them, made as
//! `ssh-keygen -Y sign` makes them.
//!
//! Who may sign is in a file of allowed signers (`ssh-keygen(1)`, "ALLOWED SIGNERS"); revoked keys are in a file
//! of public keys, one a line.

mod allowed;
mod armor;
mod check;
mod error;
mod key;
mod person;

pub use allowed::is_pattern;
pub use armor::SIGNATURE_FILE;
pub use check::{Purpose, SignatureCheck, Signer};
pub use error::SignatureError;
pub use key::SigningKey;
pub use person::is_same_person;
