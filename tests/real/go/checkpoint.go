package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"filippo.io/torchwood"
)

// checkLog opens the checkpoint, and checks the tiles, the entries and the consistency with smaller trees.
func checkLog(log, vkey, earlier string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	folder := newFolder(log)
	text, err := folder.read("checkpoint")
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(text, verifier)
	if err != nil {
		return err
	}
	// Every hash that the reader returns is authenticated with the root of the checkpoint.
	hashes := tlog.TileHashReader(tree, folder)
	if err := checkRecords(tree, hashes, folder); err != nil {
		return err
	}
	if err := checkSmallerTrees(tree, hashes); err != nil {
		return err
	}
	if earlier != "" {
		text, err := os.ReadFile(earlier)
		if err != nil {
			return err
		}
		old, err := openCheckpoint(text, verifier)
		if err != nil {
			return err
		}
		if err := checkConsistency(tree, old, hashes); err != nil {
			return err
		}
		fmt.Printf("sumdb accepts the step from %d to %d entries\n", old.N, tree.N)
	}
	fmt.Printf("sumdb accepts %d entries\n", tree.N)
	return nil
}

// openCheckpoint checks the signature and that the origin is the name of the key.
func openCheckpoint(text []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("the checkpoint: %w", err)
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return tlog.Tree{}, err
	}
	if checkpoint.Origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("the checkpoint is of %q, not of %q", checkpoint.Origin, verifier.Name())
	}
	if strings.Count(opened.Text, "\n") != 3 {
		return tlog.Tree{}, fmt.Errorf("the checkpoint has extension lines: %q", opened.Text)
	}
	return checkpoint.Tree, nil
}

// checkRecords proves each entry of the bundles by the hashes of the tiles.
func checkRecords(tree tlog.Tree, hashes tlog.HashReader, folder *folder) error {
	for first := int64(0); first < tree.N; first += torchwood.TileWidth {
		width := min(tree.N-first, torchwood.TileWidth)
		entries, err := folder.entries(first/torchwood.TileWidth, int(width))
		if err != nil {
			return err
		}
		for offset, entry := range entries {
			index := first + int64(offset)
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
				return fmt.Errorf("entry %d is not the one that was signed: %w", index, err)
			}
		}
	}
	return nil
}

// checkSmallerTrees proves that the tree continues the trees of the sizes at which tiles begin, end and are split.
func checkSmallerTrees(tree tlog.Tree, hashes tlog.HashReader) error {
	for _, size := range []int64{1, 2, 255, 256, 257, tree.N / 2, tree.N - 1, tree.N} {
		if size < 1 || size > tree.N {
			continue
		}
		root, err := tlog.TreeHash(size, hashes)
		if err != nil {
			return err
		}
		if err := checkConsistency(tree, tlog.Tree{N: size, Hash: root}, hashes); err != nil {
			return err
		}
	}
	return nil
}

func checkConsistency(tree, old tlog.Tree, hashes tlog.HashReader) error {
	if old.N > tree.N {
		return fmt.Errorf("the log has shrunk from %d to %d entries", old.N, tree.N)
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("%d entries do not continue %d entries: %w", tree.N, old.N, err)
	}
	return nil
}
