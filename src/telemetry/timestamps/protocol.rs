//! The time-stamp protocol of RFC 3161: what is asked of an authority, and whether its reply is about that.
//!
//! Whether the signature of a token is valid, and its certificate trusted, is left to `openssl ts -verify`.

use cms::cert::x509::spki::AlgorithmIdentifier;
use cms::signed_data::SignedData;
use der::asn1::{Any, Int, Null, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use sha2::{Digest, Sha256};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

/// SHA-256, and the content of a token (`id-ct-TSTInfo`).
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const TOKEN_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// The replies that hold a token: granted, and granted with changes.
const GRANTED: [u32; 2] = [0, 1];

/// Why a reply is not a time stamp of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplyError {
    #[error("it is not in the form of RFC 3161: {0}")]
    Malformed(der::Error),
    #[error("the authority refuses (status {status})")]
    Refused { status: u32 },
    #[error("it holds no token")]
    NoToken,
    #[error("its token is not a time stamp")]
    OtherContent,
    #[error("its token is about something else: the imprint differs")]
    OtherImprint,
    #[error("its token is for another request: the nonce differs")]
    OtherNonce,
}

impl From<der::Error> for ReplyError {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error)
    }
}

/// A request for a time stamp.
#[derive(Debug, Clone)]
pub(super) struct Query {
    imprint: MessageImprint,
    nonce: Int,
}

impl Query {
    /// A request for a time stamp of `content`. `random` has to be new for each request.
    pub(super) fn new(content: &[u8], mut random: [u8; 8]) -> Result<Self, ReplyError> {
        // A positive number without leading zeros, as the encoding wants it.
        random[0] = random[0] & 0x3f | 0x40;
        let hash_algorithm = AlgorithmIdentifier { oid: SHA256, parameters: Some(Any::from(Null)) };
        let hashed_message = OctetString::new(Sha256::digest(content).as_slice())?;
        Ok(Self { imprint: MessageImprint { hash_algorithm, hashed_message }, nonce: Int::new(&random)? })
    }

    /// The request as it is sent. It asks for the certificate, so that the reply can be checked by itself.
    pub(super) fn to_der(&self) -> Result<Vec<u8>, ReplyError> {
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: self.imprint.clone(),
            req_policy: None,
            nonce: Some(self.nonce.clone()),
            cert_req: true,
            extensions: None,
        };
        Ok(request.to_der()?)
    }

    /// Checks that `reply` holds a time stamp of the content, made for this request.
    pub(super) fn check(&self, reply: &[u8]) -> Result<(), ReplyError> {
        let reply = TimeStampResp::from_der(reply)?;
        let status = reply.status.status as u32;
        if !GRANTED.contains(&status) {
            return Err(ReplyError::Refused { status });
        }
        let token = reply.time_stamp_token.ok_or(ReplyError::NoToken)?;
        let signed: SignedData = token.content.decode_as()?;
        let content = signed.encap_content_info;
        let info = match content.econtent {
            Some(info) if content.econtent_type == TOKEN_INFO => info.decode_as::<OctetString>()?,
            _ => return Err(ReplyError::OtherContent),
        };
        let info = TstInfo::from_der(info.as_bytes())?;
        // An algorithm's parameters may be left out.
        let there = &info.message_imprint;
        if there.hash_algorithm.oid != SHA256 || there.hashed_message != self.imprint.hashed_message {
            return Err(ReplyError::OtherImprint);
        }
        if info.nonce.as_ref() != Some(&self.nonce) {
            return Err(ReplyError::OtherNonce);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_the_same_as_openssl_makes_it() {
        let query = Query::new(b"abc", [0x31, 0x4c, 0xfc, 0xe4, 0xe0, 0x65, 0x18, 0x27]).unwrap();
        // openssl ts -query -data abc.txt -sha256 -cert, but for the nonce.
        let expected = "30430201013031300d060960864801650304020105000420ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0208714cfce4e06518270101ff";
        assert_eq!(crate::domain::hex(query.to_der().unwrap()), expected);
    }

    #[test]
    fn what_is_not_a_reply_is_refused() {
        let query = Query::new(b"abc", [1; 8]).unwrap();
        for (reply, what) in [
            (&b""[..], "form of RFC 3161"),
            (b"<html>", "form of RFC 3161"),
            // PKIStatusInfo with rejection, and with granted and no token.
            (b"\x30\x05\x30\x03\x02\x01\x02", "status 2"),
            (b"\x30\x05\x30\x03\x02\x01\x00", "no token"),
        ] {
            let error = query.check(reply).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200), random: [u8; 8]) {
            let query = Query::new(&bytes, random).unwrap();
            query.to_der().unwrap();
            prop_assert!(query.check(&bytes).is_err());
        }
    }
}
