//! The key in AWS KMS that signs the transparency log. It cannot leave KMS.

use std::fmt;
use std::sync::Arc;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Builder, Region};
use aws_sdk_kms::error::DisplayErrorContext;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use futures_util::future::BoxFuture;

use crate::config::{Access, SealSettings, SettingsError};
use crate::dynamodb::{credentials, http_client, retries, timeouts};
use crate::tree::note::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};
use crate::tree::{Origin, SignError, Signer};

/// What the DER form of an Ed25519 public key has before the key itself (RFC 8410 §4).
const DER_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key in KMS that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// KMS does not tell the public key.
    #[error("KMS does not give the public key of {key}: {detail}")]
    PublicKey {
        /// The ARN or id of the key.
        key: String,
        /// The SDK's own account.
        detail: String,
    },
    /// The key is of another kind.
    #[error(
        "the key {0} is not an Ed25519 key; LOG_KEY must name one whose KeySpec is \
         ECC_NIST_EDWARDS25519"
    )]
    NotEd25519(String),
}

/// A key in KMS.
#[derive(Clone)]
pub struct KmsSigner {
    client: Client,
    key: String,
    public_key: [u8; PUBLIC_KEY_BYTES],
}

/// The name of the log and the key that signs it, from the environment of a function.
///
/// # Errors
///
/// [`KmsError`], in one sentence.
pub async fn signer_from_environment() -> Result<(Origin, Arc<dyn Signer>), KmsError> {
    let settings = SealSettings::from_environment()?;
    let signer = KmsSigner::open(client()?, settings.key).await?;
    Ok((settings.origin, Arc::new(signer)))
}

/// Builds the client of a function on Lambda from the variables that Lambda sets: see [`Access`].
fn client() -> Result<Client, SettingsError> {
    let access = Access::from_environment()?;
    let credentials = credentials(&access);
    let http = http_client(access.kms_endpoint.as_deref(), access.certificates)?;
    let mut config = Builder::new()
        .region(Region::new(access.region))
        .credentials_provider(credentials)
        .http_client(http);
    config.set_endpoint_url(access.kms_endpoint);
    Ok(client_from(config))
}

/// Builds a client from a configuration, which has at least the region and the credentials.
pub fn client_from(config: Builder) -> Client {
    let config = config
        .behavior_version(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts())
        .retry_config(retries());
    Client::from_conf(config.build())
}

impl KmsSigner {
    /// Reads the public key of the key with this ARN or id.
    ///
    /// # Errors
    ///
    /// [`KmsError`], if KMS does not give it, or if it is not an Ed25519 key.
    pub async fn open(client: Client, key: String) -> Result<KmsSigner, KmsError> {
        let response = Box::pin(client.get_public_key().key_id(&key).send()).await;
        let response = response.map_err(|error| KmsError::PublicKey {
            key: key.clone(),
            detail: DisplayErrorContext(error).to_string(),
        })?;
        let der = response.public_key().map(Blob::as_ref).unwrap_or_default();
        let public_key = der
            .strip_prefix(DER_PREFIX.as_slice())
            .and_then(|key| key.try_into().ok());
        let Some(public_key) = public_key else {
            return Err(KmsError::NotEd25519(key));
        };
        Ok(KmsSigner {
            client,
            key,
            public_key,
        })
    }

    async fn request(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SignError> {
        let sign = self
            .client
            .sign()
            .key_id(&self.key)
            .message(Blob::new(message))
            // KMS hashes the message itself, as RFC 8032 defines pure Ed25519.
            .message_type(MessageType::Raw)
            .signing_algorithm(SigningAlgorithmSpec::Ed25519Sha512);
        let response = Box::pin(sign.send()).await;
        let response =
            response.map_err(|error| SignError(DisplayErrorContext(error).to_string()))?;
        let signature = response.signature().map(Blob::as_ref).unwrap_or_default();
        signature
            .try_into()
            .map_err(|_| SignError("its signature does not have 64 bytes".to_owned()))
    }
}

impl Signer for KmsSigner {
    fn public_key(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.public_key
    }

    fn sign<'a>(
        &'a self,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<[u8; SIGNATURE_BYTES], SignError>> {
        Box::pin(self.request(message))
    }
}

impl fmt::Debug for KmsSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KmsSigner({})", self.key)
    }
}
