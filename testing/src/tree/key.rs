//! A key that signs at its next turn, or refuses to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use audit_log::tree::note::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};
use audit_log::tree::{SignError, Signer};
use futures_util::future::BoxFuture;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::trie::turn;

/// An Ed25519 key of a test.
#[derive(Clone, Debug)]
pub struct TestKey {
    pair: Arc<Ed25519KeyPair>,
    refuses: Arc<AtomicBool>,
    signatures: Arc<AtomicUsize>,
}

impl TestKey {
    /// The key of a seed. The same seed is the same key.
    pub fn new(seed: u8) -> TestKey {
        TestKey {
            pair: Arc::new(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()),
            refuses: Arc::default(),
            signatures: Arc::default(),
        }
    }

    /// Whether the key refuses to sign from now on.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// How often it has signed.
    pub fn signatures(&self) -> usize {
        self.signatures.load(Ordering::SeqCst)
    }
}

impl Signer for TestKey {
    fn public_key(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.pair.public_key().as_ref().try_into().unwrap()
    }

    fn sign<'a>(
        &'a self,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<[u8; SIGNATURE_BYTES], SignError>> {
        Box::pin(async move {
            turn().await;
            if self.refuses.load(Ordering::SeqCst) {
                return Err(SignError("it refuses".to_owned()));
            }
            self.signatures.fetch_add(1, Ordering::SeqCst);
            Ok(self.pair.sign(message).as_ref().try_into().unwrap())
        })
    }
}
