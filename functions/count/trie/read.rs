//! Counting over all lanes of a scope.

use std::ops::Bound;

use futures_util::future::{try_join, try_join_all};

use super::{Error, KEY_BYTES, Lane, Node, Prefix, Side, Step, Storage};

/// The roots of a scope's lanes, as one read found them.
#[derive(Clone, Debug)]
pub struct Roots(pub Vec<(Lane, Node)>);

/// How many levels of the way to a known key are read at once. Leaves lie within the first four below the root as
/// long as a lane takes less than 1,000 events a second.
pub(super) const LEVELS_AT_ONCE: usize = 4;

/// How many keys are less than `bound`. One round of reads below the roots; none when every key is less.
///
/// # Errors
///
/// [`Error::Broken`] when a node is missing that another one counts.
pub async fn rank<S: Storage>(storage: &S, roots: &Roots, bound: u128) -> Result<u64, Error<S::Error>> {
    if bound == 0 {
        return Ok(0);
    }
    let (certain, open) = split(Prefix::ROOT, roots.0.iter(), bound, Side::Less);
    Ok(certain + descend(storage, Prefix::ROOT, open, bound, Side::Less).await?)
}

/// How many keys are `first` or greater, and less than `end`. Not the difference of two ranks: those would be read
/// at two moments, and a key that is added below `first` in between would be counted by one of them.
///
/// # Errors
///
/// [`Error::Broken`] when a node is missing that another one counts.
pub async fn count<S: Storage>(storage: &S, roots: &Roots, first: u128, end: u128) -> Result<u64, Error<S::Error>> {
    if first == 0 {
        return rank(storage, roots, end).await;
    }
    // Down to where the ways to both bounds part.
    let ways = Prefix::path(first).zip(Prefix::path(end));
    let shared: Vec<Prefix> = ways.take_while(|(low, high)| low == high).map(|(prefix, _)| prefix).collect();
    let mut shared = shared.chunks(LEVELS_AT_ONCE);
    let mut ahead = Vec::new().into_iter();
    let (mut prefix, mut level, mut count) = (Prefix::ROOT, roots.0.clone(), 0);
    while prefix.bytes() < KEY_BYTES {
        let (low, high) = (prefix.step(first), prefix.step(end));
        let (mut to_first, mut to_end, mut to_both) = (Vec::new(), Vec::new(), Vec::new());
        for (lane, node) in &level {
            match node {
                Node::Leaf(keys) => count += keys.iter().filter(|key| (first..end).contains(key)).count() as u64,
                // As a rule there is nothing from a bound in the future on, and the roots alone tell.
                Node::Inner { greatest, .. } if *greatest < first => {}
                Node::Inner { greatest, counts } => {
                    let of =
                        |step: Step| counts.get(&step).map(|count| (*lane, *count)).filter(|(_, count)| *count > 0);
                    if low == high {
                        to_both.extend(of(low));
                        continue;
                    }
                    let between = (Bound::Excluded(low), Bound::Excluded(high));
                    count += counts.range(between).map(|(_, count)| count).sum::<u64>();
                    to_first.extend(of(low));
                    if *greatest < end {
                        count += of(high).map_or(0, |(_, count)| count);
                    } else {
                        to_end.extend(of(high));
                    }
                }
            }
        }
        if low != high {
            let (from_first, to_end) = try_join(
                descend(storage, prefix, to_first, first, Side::NotLess),
                descend(storage, prefix, to_end, end, Side::Less),
            )
            .await?;
            return Ok(count + from_first + to_end);
        }
        if to_both.is_empty() {
            return Ok(count);
        }
        prefix = prefix.child(low);
        if ahead.len() == 0 {
            let prefixes = shared.next().unwrap_or_default();
            ahead = try_join_all(prefixes.iter().map(|prefix| nodes(storage, *prefix))).await?.into_iter();
        }
        level = trusted(storage, prefix, &ahead.next().unwrap_or_default(), &to_both).await?;
    }
    Ok(count)
}

/// How many keys lie on one side of `bound` in those lanes whose nodes on the way to it are `open`: by lane, how many
/// keys lie below the child of `above` on that way.
async fn descend<S: Storage>(
    storage: &S,
    above: Prefix,
    mut open: Vec<(Lane, u64)>,
    bound: u128,
    side: Side,
) -> Result<u64, Error<S::Error>> {
    let path: Vec<Prefix> = Prefix::path(bound).skip_while(|prefix| prefix.bytes() <= above.bytes()).collect();
    let mut sum = 0;
    for prefixes in path.chunks(LEVELS_AT_ONCE) {
        if open.is_empty() {
            break;
        }
        let levels = try_join_all(prefixes.iter().map(|prefix| nodes(storage, *prefix))).await?;
        for (prefix, level) in prefixes.iter().zip(levels) {
            let level = trusted(storage, *prefix, &level, &open).await?;
            let (certain, undecided) = split(*prefix, level.iter(), bound, side);
            sum += certain;
            open = undecided;
        }
    }
    Ok(sum)
}

/// How many keys of these nodes are certainly on one side of `bound`, and which lanes have to be followed further.
fn split<'a>(
    prefix: Prefix,
    level: impl Iterator<Item = &'a (Lane, Node)>,
    bound: u128,
    side: Side,
) -> (u64, Vec<(Lane, u64)>) {
    let (mut sum, mut open) = (0, Vec::new());
    for (lane, node) in level {
        let (certain, undecided) = node.split_at(prefix, bound, side);
        sum += certain;
        if undecided > 0 {
            open.push((*lane, undecided));
        }
    }
    (sum, open)
}

pub(super) async fn nodes<S: Storage>(storage: &S, prefix: Prefix) -> Result<Vec<(Lane, Node)>, Error<S::Error>> {
    Ok(storage.level(prefix).await?.into_iter().map(|(lane, entry)| (lane, entry.node)).collect())
}

/// The nodes of the lanes that are counted above, which must hold as much as is counted. What no parent counts yet is
/// left out: its event is not acknowledged.
pub(super) fn counted(level: &[(Lane, Node)], open: &[(Lane, u64)]) -> Option<Vec<(Lane, Node)>> {
    let find = |(lane, count): &(Lane, u64)| {
        level.iter().find(|(found, node)| found == lane && node.below().count >= *count).cloned()
    };
    open.iter().map(find).collect()
}

/// The same, of a level that was read together with the one above it: a node can then be older than what counts it, and
/// is read again.
pub(super) async fn trusted<S: Storage>(
    storage: &S,
    prefix: Prefix,
    level: &[(Lane, Node)],
    open: &[(Lane, u64)],
) -> Result<Vec<(Lane, Node)>, Error<S::Error>> {
    match counted(level, open) {
        Some(level) => Ok(level),
        None => counted(&nodes(storage, prefix).await?, open).ok_or(Error::Broken(prefix)),
    }
}
