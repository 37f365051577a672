package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkProofs checks pairs of an entry (base64) and a file with its proof.
//
// The policy accepts only a checkpoint whose origin is the name of the key, and which this key has signed.
func checkProofs(vkey string, pairs []string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	policy := torchwood.ThresholdPolicy(
		2,
		torchwood.OriginPolicy(verifier.Name()),
		torchwood.SingleVerifierPolicy(verifier),
	)
	for i := 0; i < len(pairs); i += 2 {
		if err := checkProof(policy, pairs[i], pairs[i+1]); err != nil {
			return fmt.Errorf("%s: %w", pairs[i+1], err)
		}
	}
	fmt.Printf("torchwood accepts %d proofs\n", len(pairs)/2)
	return nil
}

func checkProof(policy torchwood.Policy, encoded, file string) error {
	entry, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return err
	}
	proof, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), proof); err != nil {
		return err
	}
	// A reader who has only the proof takes the entry from it.
	extra, err := torchwood.ProofExtraData(proof)
	if err != nil {
		return err
	}
	if !bytes.Equal(extra, entry) {
		return fmt.Errorf("the proof carries the entry %x, not %x", extra, entry)
	}
	return nil
}
