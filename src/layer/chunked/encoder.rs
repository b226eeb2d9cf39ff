//! Cuts a body into chunks and puts their heads before them.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::framing::Framing;
use super::held::{Head, Held};
use super::trailers::Trailers;
use crate::checksum::Summing;
use crate::error::{AuthError, AuthErrorKind};
use crate::sigv4::ChunkSigner;

/// What is known of a body on its way out.
pub(super) struct Encoder {
    framing: Arc<Framing>,
    signing: Option<Signing>,
    sum: Option<Summing>,
    out: Held,
    /// Bytes of data that the body still owes.
    owed: u64,
    /// Bytes that the chunk at hand still lacks. None if no chunk is at hand.
    lacks: u64,
    is_first: bool,
    /// Bytes that are still to be sent, if that is known.
    unsent: Option<u64>,
    is_over: bool,
}

struct Signing {
    signer: Box<ChunkSigner>,
    hash: Sha256,
}

impl Encoder {
    /// # Errors
    ///
    /// If chunks are to be signed, and there is nobody to do it.
    pub(super) fn new(
        framing: Arc<Framing>,
        signer: Option<Box<ChunkSigner>>,
    ) -> Result<Self, AuthError> {
        let signing = match (framing.signed, signer) {
            (true, Some(signer)) => Some(Signing {
                signer,
                hash: Sha256::new(),
            }),
            (false, _) => None,
            (true, None) => {
                return Err(AuthError::new(
                    AuthErrorKind::Configuration,
                    "`Chunked` is for layers that sign with AWS Signature Version 4, and this one does not",
                ));
            }
        };
        Ok(Self {
            signing,
            sum: framing.checksum.map(Summing::new),
            out: Held::default(),
            owed: framing.length,
            lacks: 0,
            is_first: true,
            unsent: framing.encoded,
            is_over: false,
            framing,
        })
    }

    /// How much of a body's frame can be pushed at once: to the end of the chunk at hand.
    pub(super) fn room(&self) -> u64 {
        match self.lacks {
            0 => self.owed.min(self.framing.size),
            lacks => lacks,
        }
    }

    /// Takes the next bytes of the body, up to the [room](Self::room) there is.
    pub(super) fn push(&mut self, piece: Bytes) {
        let length = piece.len() as u64;
        if let Some(sum) = &mut self.sum {
            sum.update(&piece);
        }
        let begins = self.lacks == 0;
        if begins {
            self.lacks = self.room();
        }
        match &mut self.signing {
            Some(signing) => {
                let size = self.out.len() + self.lacks;
                signing.hash.update(&piece);
                self.out.push(piece, size);
            }
            None => {
                if begins {
                    let head = Head::new(self.is_first, self.lacks, None);
                    self.out.add(head.to_bytes());
                    self.is_first = false;
                }
                self.out.add(piece);
            }
        }
        self.lacks = self.lacks.saturating_sub(length);
        self.owed = self.owed.saturating_sub(length);
        if self.lacks == 0
            && let Some(signing) = &mut self.signing
        {
            let size = self.out.len();
            let signature = signing.sign();
            self.out
                .close(&Head::new(self.is_first, size, Some(&signature)));
            self.is_first = false;
        }
    }

    /// Whether the body has given all that was announced.
    pub(super) fn has_all(&self) -> bool {
        self.owed == 0
    }

    /// The body is over: what stands behind it goes out.
    ///
    /// # Errors
    ///
    /// If there is less of it than was announced, or its trailers are not those that were.
    pub(super) fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), AuthError> {
        if self.owed > 0 {
            return Err(shorter(self.owed));
        }
        let sum = self.sum.take().map(Summing::finish);
        let trailers = Trailers::new(&self.framing, sum, trailers)?;
        let signature = self.signing.as_mut().map(Signing::sign);
        let mut end = Head::new(self.is_first, 0, signature.as_ref())
            .as_slice()
            .to_vec();
        trailers.write(&mut end);
        if self.framing.has_trailers()
            && let Some(signing) = &mut self.signing
        {
            let signature = signing.signer.canonical_trailers(&trailers.canonical());
            Trailers::write_signature(&mut end, &signature);
        }
        end.extend_from_slice(b"\r\n");
        self.out.add(end.into());
        self.is_over = true;
        Ok(())
    }

    /// Nothing more goes out.
    pub(super) fn stop(&mut self) {
        self.out = Held::default();
        self.lacks = 0;
        self.is_over = true;
    }

    /// What can go out now.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        // A chunk that is signed goes out when it is complete.
        if self.signing.is_some() && self.lacks > 0 {
            return None;
        }
        let next = self.out.next()?;
        self.unsent = self
            .unsent
            .map(|unsent| unsent.saturating_sub(next.len() as u64));
        Some(next)
    }

    /// Whether the body is over; there may be something that has not gone out yet.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.is_over && self.out.is_empty()
    }

    /// Bytes that are still to be sent: at least, and exactly.
    pub(super) fn unsent(&self) -> (u64, Option<u64>) {
        match self.is_at_end() {
            true => (0, Some(0)),
            false => (self.unsent.unwrap_or(self.owed), self.unsent),
        }
    }
}

impl Signing {
    /// The signature of all that was hashed since the last.
    fn sign(&mut self) -> [u8; 64] {
        let hash = self.hash.finalize_reset().into();
        self.signer.hashed_chunk(&hash)
    }
}

/// The body said it was longer.
fn shorter(by: u64) -> AuthError {
    AuthError::new(
        AuthErrorKind::Payload,
        format!(
            "the body ended {by} bytes before the length it was announced with; the server got no whole request"
        ),
    )
}

/// The body said it was shorter.
pub(super) fn longer() -> AuthError {
    AuthError::new(
        AuthErrorKind::Payload,
        "the body is longer than it was announced; the server got no whole request",
    )
}
