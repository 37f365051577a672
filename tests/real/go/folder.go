package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

// A folder is a log as tlog-tiles describes it, behind a URL. It implements tlog.TileReader.
type folder struct {
	url    string
	client *http.Client
	// The tiles that tlog has authenticated.
	tiles map[tlog.Tile][]byte
}

func newFolder(url string) *folder {
	files := &http.Transport{}
	files.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	client := &http.Client{Transport: files, Timeout: 30 * time.Second}
	return &folder{url: strings.TrimSuffix(url, "/"), client: client, tiles: map[tlog.Tile][]byte{}}
}

func (f *folder) read(path string) ([]byte, error) {
	answer, err := f.client.Get(f.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s/%s: %s: %s", f.url, path, answer.Status, body)
	}
	return body, nil
}

// path of a tile. The checksum database puts the height into it, which is always 8 in tlog-tiles.
func path(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
	return strings.Replace(path, "tile/data/", "tile/entries/", 1)
}

// entries of a bundle. There must be exactly `width`.
func (f *folder) entries(number int64, width int) ([][]byte, error) {
	name := path(tlog.Tile{H: torchwood.TileHeight, L: -1, N: number, W: width})
	rest, err := f.read(name)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(rest) > 0 {
		var entry []byte
		entry, rest, err = torchwood.ReadTileEntry(rest)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		entries = append(entries, entry)
	}
	if len(entries) != width {
		return nil, fmt.Errorf("%s has %d entries, not %d", name, len(entries), width)
	}
	return entries, nil
}

func (f *folder) Height() int { return torchwood.TileHeight }

func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, known := f.tiles[tile]
		if !known {
			var err error
			data, err = f.read(path(tile))
			if err != nil {
				return nil, err
			}
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes, not %d", path(tile), len(data), tile.W*tlog.HashSize)
		}
		all = append(all, data)
	}
	return all, nil
}

func (f *folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, tile := range tiles {
		f.tiles[tile] = data[i]
	}
}
