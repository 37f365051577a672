//! The path of a tile.

use audit_log::tree::{TILE_WIDTH, Tile};

/// A path is that of one tile, as the tile itself has it, or of none.
pub fn tile_path(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else {
        return;
    };
    let Some(tile) = Tile::parse(path) else {
        return;
    };
    assert_eq!(tile.to_string(), path);
    assert!((1..=TILE_WIDTH).contains(&tile.width));
    assert!(!tile.is_in(0));
    for size in [1, 255, 256, 257, 65_536, 1 << 40, u64::MAX] {
        let width = Tile::width_at(tile.kind, tile.index, size);
        assert!(width <= TILE_WIDTH);
        assert_eq!(tile.is_in(size), width >= tile.width);
    }
}
