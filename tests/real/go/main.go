// Independent checks a log and its proofs with code that this project did not write: Go's checksum database
// (golang.org/x/mod/sumdb) and torchwood.
//
//	independent checkpoint LOG VKEY [EARLIER]       the checkpoint, the tiles and every entry of a log
//	independent proof VKEY ENTRY FILE [ENTRY FILE…] the proof of each entry (base64), as GET /events/{id}/proof sends it
//	independent cosigned VKEY WITNESS FILE          a checkpoint that the witness has signed, too
//
// LOG is the URL of a log (http://127.0.0.1:5001/log) or of a folder (file:///tmp/bundle). EARLIER is a file with an
// earlier checkpoint of the same log. The exit code is 0 if everything holds.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := check(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "independent: %v\n", err)
		os.Exit(1)
	}
}

func check(arguments []string) error {
	if len(arguments) < 3 {
		return errors.New("name a check: checkpoint, proof or cosigned, and what it is about")
	}
	name, rest := arguments[0], arguments[1:]
	switch {
	case name == "checkpoint" && len(rest) == 2:
		return checkLog(rest[0], rest[1], "")
	case name == "checkpoint" && len(rest) == 3:
		return checkLog(rest[0], rest[1], rest[2])
	case name == "proof" && len(rest)%2 == 1:
		return checkProofs(rest[0], rest[1:])
	case name == "cosigned" && len(rest) == 3:
		return checkCosigned(rest[0], rest[1], rest[2])
	}
	return fmt.Errorf("%q with %d arguments is no check", name, len(rest))
}
