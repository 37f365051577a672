package main

import (
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// checkCosigned checks a checkpoint that the log and a witness have signed.
func checkCosigned(vkey, witnessKey, file string) error {
	log, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	witness, err := torchwood.NewCosignatureVerifier(witnessKey)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	policy := torchwood.ThresholdPolicy(
		3,
		torchwood.OriginPolicy(log.Name()),
		torchwood.SingleVerifierPolicy(log),
		torchwood.SingleVerifierPolicy(witness),
	)
	checkpoint, _, err := torchwood.VerifyCheckpoint(text, policy)
	if err != nil {
		return err
	}
	fmt.Printf("torchwood accepts the cosignature on %d entries\n", checkpoint.N)
	return nil
}
