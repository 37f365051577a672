//! Feeds a witness, as <https://c2sp.org/tlog-witness> defines it: it cosigns a checkpoint that
//! continues the last one that it has seen.

use audit_log::tree::{Hash, Note, VerifierKey};
use audit_log_client::{Auth, Error, Http, Response};
use reqwest::{StatusCode, Url};

use super::cosignature::CosignerKey;
use super::{Checked, Log, LogError, SignedCheckpoint, proof};

/// The type of a response that says how far the witness is.
const SIZE_TYPE: &str = "text/x.tlog.size";
/// How often the size of the witness is taken over. Another feeder can be faster each time.
const MAX_CONFLICTS: u32 = 5;

/// A witness.
#[derive(Debug)]
pub struct Witness {
    url: Url,
    http: Http,
    /// Its key. Without one, its cosignatures are not checked.
    key: Option<CosignerKey>,
}

/// What the witness did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cosigned {
    /// It signed this checkpoint.
    Note {
        /// The size.
        size: u64,
        /// The note of the log with the lines of the witness.
        note: String,
    },
    /// It has seen a longer log.
    RolledBack {
        /// The size that it has seen.
        seen: u64,
        /// The size of the log now.
        size: u64,
    },
    /// The log does not continue the checkpoint that the witness has seen.
    Forked {
        /// The size that it has seen.
        seen: u64,
        /// The size of the log now.
        size: u64,
    },
    /// The checkpoint of the log is not genuine.
    Forged(String),
}

/// A witness that could not be fed.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// See [`LogError`].
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log has no checkpoint.
    #[error("the log has no checkpoint yet")]
    NoCheckpoint,
    /// The log lacks a tile of the proof.
    #[error(
        "the log lacks the tiles that prove that it continues the {0} entries that the witness has \
         seen"
    )]
    NoProof(u64),
    /// The witness does not know the log, or says something else.
    #[error("the witness does not cosign: {0}")]
    Refused(String),
    /// Its answer is not a cosignature.
    #[error("the answer of the witness has no cosignature of its key on this checkpoint")]
    NotCosigned,
    /// Others feed it at the same time.
    #[error("the witness is at another size each time; others feed it, too")]
    Busy,
}

impl Witness {
    /// The witness with this submission prefix, such as `https://witness.example`.
    ///
    /// # Errors
    ///
    /// [`Error::Url`].
    pub fn at(prefix: &str, key: Option<CosignerKey>) -> Result<Witness, Error> {
        let url: Url = format!("{}/add-checkpoint", prefix.trim_end_matches('/'))
            .parse()
            .map_err(|_| Error::Url(prefix.to_owned()))?;
        let http = Http::new(&url, Auth::None)?;
        Ok(Witness { url, http, key })
    }

    /// Has the newest checkpoint of a log cosigned. `seen` is the size that the witness cosigned
    /// last, as far as the caller knows.
    ///
    /// # Errors
    ///
    /// [`WitnessError`], if the witness cannot be asked, or its answer has no cosignature.
    pub async fn feed(
        &self,
        log: &Log,
        keys: &[VerifierKey],
        mut seen: u64,
    ) -> Result<Cosigned, WitnessError> {
        let signed = match SignedCheckpoint::of(log, keys).await? {
            Checked::Signed(signed) => signed,
            Checked::Absent => return Err(WitnessError::NoCheckpoint),
            Checked::Forged(reason) => return Ok(Cosigned::Forged(reason)),
        };
        let size = signed.checkpoint.size;
        for _ in 0..MAX_CONFLICTS {
            if seen > size {
                return Ok(Cosigned::RolledBack { seen, size });
            }
            let proof = proof::consistency(log, seen, size).await?;
            let proof = proof.ok_or(WitnessError::NoProof(seen))?;
            let answer = self
                .http
                .post(&self.url, body(seen, &proof, &signed))
                .await
                .map_err(LogError::from)?;
            match answer.status {
                StatusCode::OK => {
                    let note = self.cosigned(&signed, &answer)?;
                    return Ok(Cosigned::Note { size, note });
                }
                StatusCode::CONFLICT => {
                    seen = size_of(&answer).ok_or_else(|| self.refused(&answer))?;
                }
                StatusCode::UNPROCESSABLE_ENTITY => return Ok(Cosigned::Forked { seen, size }),
                _ => return Err(self.refused(&answer)),
            }
        }
        Err(WitnessError::Busy)
    }

    fn refused(&self, answer: &Response) -> WitnessError {
        let refusal = answer.refusal(&self.url);
        WitnessError::Refused(format!("{}: {}", answer.status, refusal.message))
    }

    /// The note with the lines of the witness. Lines of other keys are left out, if its key is
    /// known.
    fn cosigned(
        &self,
        signed: &SignedCheckpoint,
        answer: &Response,
    ) -> Result<String, WitnessError> {
        let lines = std::str::from_utf8(&answer.body).map_err(|_| WitnessError::NotCosigned)?;
        let mut note = signed.note.clone();
        for line in lines.lines() {
            let is_known = |key: &CosignerKey| key.verify(signed, line).is_some();
            if self.key.as_ref().is_none_or(is_known) {
                note.push_str(line);
                note.push('\n');
            }
        }
        let is_note = note.parse::<Note>().is_ok();
        if note == signed.note || !is_note {
            return Err(WitnessError::NotCosigned);
        }
        Ok(note)
    }
}

/// The size that the witness has cosigned, and the proof from there to the checkpoint.
fn body(seen: u64, proof: &[Hash], signed: &SignedCheckpoint) -> Vec<u8> {
    let proof: String = proof.iter().map(|hash| format!("{hash}\n")).collect();
    format!("old {seen}\n{proof}\n{}", signed.note).into_bytes()
}

fn size_of(answer: &Response) -> Option<u64> {
    if !answer.content_type().starts_with(SIZE_TYPE) {
        return None;
    }
    let text = std::str::from_utf8(&answer.body).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}
